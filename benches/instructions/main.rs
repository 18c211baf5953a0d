//! Counts the instructions of the fan-out and the mutation path with valgrind, and compares them with bounds.
//!
//! Time depends on the machine and on its load; the number of instructions hardly does. `INSTRUCTION_COUNTS=1 cargo test --bench
//! instructions` fails if a path executes over 10 % more instructions than its bound says. Without the variable each path runs
//! once and nothing is counted.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "../fixtures/mod.rs"]
mod fixtures;

mod callgrind;
mod paths;

use std::process::ExitCode;

use paths::PATHS;

/// The variable that requests counts.
const COUNT_VARIABLE: &str = "INSTRUCTION_COUNTS";

/// The first argument of a process that valgrind observes. The name of the path follows.
const RUN_ARGUMENT: &str = "--run-path";

/// A count may exceed its bound by this many percent: hashing is seeded at random, and compilers change.
const TOLERANCE: u64 = 10;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some(RUN_ARGUMENT) {
        let name = args.next().unwrap();
        let path = PATHS.iter().find(|path| path.name == name).unwrap();
        (path.run)();
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(COUNT_VARIABLE).is_none() {
        for path in &PATHS {
            (path.run)();
        }
        println!("each path ran once; {COUNT_VARIABLE}=1 counts instructions");
        return ExitCode::SUCCESS;
    }
    let failed = PATHS.iter().filter(|path| !is_within_bound(path)).count();
    ExitCode::from(u8::from(failed > 0))
}

/// Counts the instructions of a path, prints the outcome and returns whether it is within its bound.
fn is_within_bound(path: &paths::MeasuredPath) -> bool {
    let paths::MeasuredPath { name, bound, .. } = path;
    let count = match callgrind::count(name) {
        Ok(total) => total / paths::REPETITIONS,
        Err(error) => {
            println!("test instructions of {name} ... FAILED\n  {error}");
            return false;
        }
    };
    let percent = count as f64 * 100.0 / *bound as f64 - 100.0;
    let figures = format!("{count} instructions, {percent:+.1} % of the bound {bound}");
    if count > bound + bound * TOLERANCE / 100 {
        println!("test instructions of {name} ... FAILED\n  {figures}");
        println!(
            "  {} executes more than {TOLERANCE} % more instructions than before. `benches/README.md` \
             shows how to find where. If the change is worth it, set the bound in `benches/instructions/paths.rs` \
             to {count} and say why in the commit.",
            path.subject
        );
        return false;
    }
    println!("test instructions of {name} ... ok ({figures})");
    if count + bound * TOLERANCE / 100 < *bound {
        println!("  far below the bound: set it to {count}, so that it guards what was gained");
    }
    true
}
