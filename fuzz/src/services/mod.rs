//! Services and endpoints that come, change and go, in any order and with agents that start again in the
//! midst of it. Promised is, whatever happens:
//!
//! - no reader of the maps finds an id that leads to nothing, or to a backend of another service, after any
//!   single write ([`maps`]);
//! - once all is written, the maps lead clients to where Kubernetes' rules say ([`meant`], which knows
//!   nothing of how the plan is made);
//! - who starts again on these maps has nothing to write.

mod maps;
mod meant;
mod objects;

use sheave_core::engine::Engine;
use sheave_core::held::Limits;
use sheave_core::model::Update;

use crate::Input;
use maps::Maps;
use meant::Meant;

/// Steps of one input, at most.
const STEPS_MAX: usize = 400;
/// So small that it is sometimes too small.
const LIMITS: Limits = Limits { frontends: 80, backends: 70, slots: 80_000, sources: 16 };

/// Does what the bytes say.
///
/// # Panics
/// When a promise is broken.
pub fn run(bytes: &[u8]) {
    run_steps(bytes, STEPS_MAX);
}

/// As [`run`], for so many steps.
pub fn run_steps(bytes: &[u8], steps: usize) {
    let mut input = Input::new(bytes);
    let mut node = Node::new();
    for _ in 0..steps {
        if input.is_empty() {
            break;
        }
        node.step(&mut input);
    }
    node.settle();
    node.leave();
}

/// An agent and the maps of its node.
struct Node {
    engine: Engine,
    maps: Maps,
    meant: Meant,
    grace: Option<sheave_core::retirement::Grace>,
}

impl Node {
    fn new() -> Self {
        let maps = Maps::new(LIMITS);
        let engine = Engine::new(maps.held());
        let mut node = Self { engine, maps, meant: Meant::default(), grace: None };
        node.say_all();
        node
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0..=3 => self.note(objects::service(input)),
            4 => self.note(objects::service_gone(input)),
            5..=9 => self.note(objects::slice(input)),
            10 => self.note(objects::slice_gone(input)),
            11 => self.apply(usize::MAX),
            12 => self.retire(),
            13 => self.settle(),
            14 => match input.below(3) {
                // Killed after so many writes.
                0 => {
                    self.apply(usize::from(input.byte()));
                    self.restart();
                }
                // A write fails after so many.
                1 => {
                    self.apply(usize::from(input.byte()));
                    self.maps.wait_for_readers();
                    self.grace = None;
                    self.engine.adopt(self.maps.held());
                }
                _ => self.restart(),
            },
            _ => self.say_all_but_some(input),
        }
    }

    fn note(&mut self, update: Update) {
        self.meant.note(&update);
        self.engine.note(update);
    }

    /// A complete state, as a source sends it that has connected anew.
    fn say_all(&mut self) {
        for update in self.meant.complete() {
            self.engine.note(update);
        }
    }

    /// Likewise, but something has gone meanwhile.
    fn say_all_but_some(&mut self, input: &mut Input<'_>) {
        let gone = [objects::service_gone(input), objects::slice_gone(input)];
        gone.iter().for_each(|update| self.meant.note(update));
        self.say_all();
    }

    fn apply(&mut self, writes: usize) {
        let diff = self.engine.diff();
        self.maps.write(&diff, writes);
    }

    /// A step of what goes on beside changes.
    fn retire(&mut self) {
        match self.grace.take() {
            None => {
                self.grace = self.engine.begin_retirement();
                if self.grace.is_some() {
                    self.maps.begin_wait();
                }
            }
            Some(grace) => {
                self.maps.end_wait();
                self.maps.retire(&self.engine.end_retirement(grace));
            }
        }
    }

    fn restart(&mut self) {
        self.maps.wait_for_readers();
        self.grace = None;
        self.engine = Engine::new(self.maps.held());
        self.say_all();
    }

    /// Everything that is left to do; then the maps lead where they should.
    fn settle(&mut self) {
        self.apply(usize::MAX);
        for _ in 0..4 {
            self.retire();
        }
        // What retired may have made room.
        self.apply(usize::MAX);
        for _ in 0..4 {
            self.retire();
        }
        let is_full = self.engine.full().is_some();
        self.meant.compare(&self.maps, is_full);
        if is_full {
            return;
        }
        self.restart();
        let diff = self.engine.diff();
        assert_eq!(diff.writes(), 0, "a restart with nothing new wrote {diff:#?}");
        assert!(self.engine.begin_retirement().is_none(), "a restart found something left behind");
    }

    /// All is gone: nothing is left but ids that are free.
    fn leave(&mut self) {
        self.meant = Meant::default();
        self.say_all();
        self.settle();
        self.maps.assert_empty();
    }
}
