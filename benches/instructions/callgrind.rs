//! Runs this program again under `valgrind --tool=callgrind`.

use std::process::{Command, Stdio};

use crate::RUN_ARGUMENT;

/// Returns the number of instructions that a path executes within `measured_region`.
///
/// # Errors
/// A message: valgrind is missing, the path failed, or nothing was counted.
pub fn count(path: &str) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let profile = directory.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=*measured_region*")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args([RUN_ARGUMENT, path])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind cannot be started: {error}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("valgrind ended with {}:\n{log}", output.status));
    }
    let profile = std::fs::read_to_string(profile).map_err(|error| error.to_string())?;
    match total(&profile) {
        Some(total) if total > 0 => Ok(total),
        Some(_) | None => Err(format!("valgrind has counted nothing:\n{log}")),
    }
}

/// Reads the total from a profile.
fn total(profile: &str) -> Option<u64> {
    let line = |name| profile.lines().find_map(|line| line.strip_prefix(name));
    line("totals:").or(line("summary:"))?.trim().parse().ok()
}
