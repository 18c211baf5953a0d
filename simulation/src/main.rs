//! Runs random schedules by hand.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use simulation::{log::Log, random};

/// Simulates the shipping state machines of vaultcast under random schedules.
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds are run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed only, and print its story.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        return print_story(seed);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let started = Instant::now();
    let mut printed = started;
    let (mut done, mut steps) = (0, 0);
    let end = args.from + args.seeds;
    let mut next = args.from;
    while next < end {
        let last = (next + 50 * threads).min(end);
        let share = (last - next).div_ceil(threads).max(1) as usize;
        let seeds: Vec<_> = (next..last).collect();
        let results = std::thread::scope(|scope| {
            let run_share = |seeds: &[u64]| {
                let seeds = seeds.to_vec();
                scope.spawn(move || {
                    let run = |seed| (seed, random::run(seed, None, &mut Log::default()));
                    seeds.into_iter().map(run).collect::<Vec<_>>()
                })
            };
            let shares: Vec<_> = seeds.chunks(share).map(run_share).collect();
            shares
                .into_iter()
                .map(|share| share.join())
                .collect::<Vec<_>>()
        });
        for result in results {
            let Ok(runs) = result else {
                eprintln!("a run panicked between seed {next} and seed {last}");
                return ExitCode::FAILURE;
            };
            for (seed, run) in runs {
                steps += run.steps;
                if run.violation.is_some() {
                    return print_story(seed);
                }
            }
        }
        done += last - next;
        next = last;
        if printed.elapsed() > Duration::from_secs(5) || next == end {
            printed = Instant::now();
            let rate = steps as f64 / started.elapsed().as_secs_f64();
            println!("{done} seeds, {steps} steps, {rate:.0} steps per second");
        }
    }
    println!("no promise was broken");
    ExitCode::SUCCESS
}

/// Prints the story of a seed.
fn print_story(seed: u64) -> ExitCode {
    let mut log = Log::recording();
    let run = random::run(seed, None, &mut log);
    for line in log.lines() {
        println!("{line}");
    }
    match run.violation {
        Some(violation) => {
            println!(
                "seed {seed}, after {} steps: {:?} is broken: {}",
                run.steps, violation.promise, violation.detail
            );
            println!("repeat with: cargo run -p simulation --release -- --seed {seed}");
            ExitCode::FAILURE
        }
        None => {
            println!("seed {seed}, {} steps: no promise was broken", run.steps);
            ExitCode::SUCCESS
        }
    }
}
