//! Steady load of short connections from this host, counted: what a restart must not disturb.

use crate::http;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const WORKERS: u32 = 8;

/// Requests that go on until [`Load::stop`].
pub struct Load {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Counts>>,
    started: Instant,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Counts {
    /// Answered with a 200.
    pub answered: u32,
    /// Each failure, in words.
    pub errors: Vec<String>,
    /// Requests a second, over the whole run.
    pub rate: f64,
}

impl Load {
    /// Asks `server` for `/`, `rate` times a second, each time over a new connection.
    pub fn start(server: SocketAddr, rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let interval = Duration::from_secs(1) * WORKERS / rate;
        let workers = (0..WORKERS)
            .map(|_| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || ask_until(&stop, server, interval))
            })
            .collect();
        Self { stop, workers, started: Instant::now() }
    }

    /// Ends the load and counts.
    pub fn stop(self) -> Counts {
        let ran = self.started.elapsed();
        self.stop.store(true, Ordering::Relaxed);
        let mut total = Counts::default();
        for worker in self.workers {
            let counts = worker.join().expect("a worker only counts");
            total.answered += counts.answered;
            total.errors.extend(counts.errors);
        }
        total.rate = f64::from(total.answered) / ran.as_secs_f64();
        total
    }
}

fn ask_until(stop: &AtomicBool, server: SocketAddr, interval: Duration) -> Counts {
    let mut counts = Counts::default();
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        match http::get(server, "/") {
            Ok(_) => counts.answered += 1,
            Err(error) => counts.errors.push(error.to_string()),
        }
        // A request that took longer is made up for, so that the rate holds.
        next += interval;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn answers_and_errors_are_counted_at_the_rate_that_was_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let server = listener.local_addr().expect("it is bound");
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.expect("a connection");
                let _ = stream.read(&mut [0; 512]);
                let status = if number % 50 == 49 { 503 } else { 200 };
                let _ =
                    stream.write_all(format!("HTTP/1.0 {status} Some\r\n\r\nbody\n").as_bytes());
            }
        });
        let load = Load::start(server, 400);
        std::thread::sleep(Duration::from_millis(500));
        let counts = load.stop();
        assert!((150..=260).contains(&counts.answered), "{} answered", counts.answered);
        assert!((1..=6).contains(&counts.errors.len()), "{:?}", counts.errors);
    }
}
