//! A program that looks names up, for a pod of a test: makes the [`Lookups`] that its only argument says in
//! JSON, then prints the report as JSON.

use sheave_tests::lookups::Lookups;

fn main() {
    let argument = std::env::args().nth(1).expect("lookups");
    let lookups: Lookups = serde_json::from_str(&argument).expect("lookups");
    println!("{}", serde_json::to_string(&lookups.run()).expect("a report is JSON"));
}
