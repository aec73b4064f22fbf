//! What people see of the dataplane, by the command they type: `sheave` against the agent of a node in
//! network namespaces, and against its maps alone when the agent is dead.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

mod answers;
mod elsewhere;
mod flows;
mod guide;
mod metrics;
mod node;
