//! A client process for tests: does one [`Job`], given as JSON in the only argument, until its standard input
//! ends, then prints the report as JSON. A process, because socket hooks concern those of a cgroup.

use std::io::Read as _;

use sheave_tests::connections::Job;

fn main() {
    let argument = std::env::args().nth(1).expect("a job");
    let job: Job = serde_json::from_str(&argument).expect("a job");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let report = runtime.block_on(job.run(async {
        let _ = end.await;
    }));
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
}
