//! A listening API server with a real store and real TLS, asked by a plain HTTP client and by kubectl.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where and ends")]

mod access;
mod config_map;
mod http_verbs;
mod kubectl;
mod serving;
mod tunnels;
mod watches;
