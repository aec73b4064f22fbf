//! A watch on a program that may run but once in the whole lab: looks at all machines over and over, and remembers
//! where it saw it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sheave_lab::Machine;

/// Between two looks; what runs for shorter than this may be missed.
const EVERY: Duration = Duration::from_millis(200);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    /// How often it was looked.
    pub looks: usize,
    /// Machines where it ran, by number, in the order of what was seen; one of several looks alike.
    pub places: Vec<usize>,
    /// Machines where it ran at once, by number, for each look that saw it more than once.
    pub doubled: Vec<Vec<usize>>,
}

/// A watch that goes on until it is ended.
pub struct Watch {
    ends: Arc<AtomicBool>,
    looking: JoinHandle<Sightings>,
}

impl Watch {
    /// Looks for the program of this name on these machines, which are numbered from one.
    pub fn start(machines: Vec<Machine>, program: &'static str) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let ends_here = Arc::clone(&ends);
        let looking = std::thread::spawn(move || {
            let mut seen = Sightings::default();
            while !ends_here.load(Ordering::Relaxed) {
                seen.note(machines.iter().map(|machine| machine.processes(program).len()));
                std::thread::sleep(EVERY);
            }
            seen
        });
        Self { ends, looking }
    }

    /// What was seen until now.
    pub fn end(self) -> Sightings {
        self.ends.store(true, Ordering::Relaxed);
        self.looking.join().expect("whoever looks does not fail")
    }
}

impl Sightings {
    /// How many run on each machine.
    fn note(&mut self, counts: impl Iterator<Item = usize>) {
        let at = (1..).zip(counts).flat_map(|(number, count)| std::iter::repeat_n(number, count));
        let at: Vec<usize> = at.collect();
        self.looks += 1;
        match at[..] {
            [] => {}
            [only] if self.places.last() == Some(&only) => {}
            [only] => self.places.push(only),
            _ => self.doubled.push(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_twice_at_once_is_told_from_what_runs_twice() {
        let mut seen = Sightings::default();
        for counts in [[0, 0, 1], [0, 0, 1], [0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 2, 0]] {
            seen.note(counts.into_iter());
        }
        assert_eq!((seen.looks, seen.places), (6, vec![3, 1]));
        assert_eq!(seen.doubled, [vec![1, 3], vec![2, 2]]);
    }
}
