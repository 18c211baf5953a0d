//! Helpers that several test binaries share.

// Each test binary uses a part of this.
#![allow(dead_code)]

pub mod database;
pub mod raw_socket;
pub mod service;
