//! The integration tests: the real binary, real backends and clients, and the rules of the repository
//! itself.
//!
//! They need the tools that `./test` installs (a Python environment in `.venv`, curl, h2load, Redis, Chromium); a missing
//! one is a failure. Every server listens on a port that the system chooses.

#![allow(clippy::unwrap_used, reason = "here a panic is how a test fails")]
#![allow(clippy::print_stderr, reason = "what a failed test prints is its report")]

mod aggregates;
mod cli;
mod clients;
mod compression;
mod demo;
mod dependencies;
mod deploy;
mod dialects;
mod discovery;
mod etcd;
mod expect;
mod faults;
mod forms;
mod generated;

mod grpcio;
mod hostile;
#[path = "../layering.rs"]
mod layering;
mod life;
mod matrix;
mod operating;
mod own;
mod policy;
mod redis;
mod reload;
mod replay;
mod routing;
mod schema;
mod shells;
mod soap;
mod sockets;
mod split;
mod starter;
mod streams;
mod support;
mod telemetry;
mod tls;
mod translations;
mod upstreams;
mod versions;
mod websocket;
