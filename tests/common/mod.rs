//! What the tests of several heights share.

// Each test binary uses its own part of this.
#![allow(dead_code)]

pub mod app;
pub mod database;
pub mod socket;
