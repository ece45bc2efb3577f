//! Requests per second and statements per flow over each store, beside the same statements driven bare: by pgbench, by
//! SQLite's own interface, by redis-benchmark.
//!
//! ```sh
//! tests/stores/with-databases.sh cargo bench -p grantwell-store-tests
//! tests/stores/with-databases.sh cargo bench -p grantwell-store-tests -- --store postgres --tokens 1000000
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod bare;
mod fill;
mod flow;
mod redis_bare;
mod statements;

use std::time::Duration;

use clap::Parser;
use grantwell_store_tests::flows::Flows;
use grantwell_store_tests::place::Place;
use grantwell_store_tests::with_store;

use crate::flow::Flow;

#[derive(Parser)]
struct Options {
    /// Only this store.
    #[arg(long)]
    store: Option<String>,
    /// Seconds for each flow.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// How many requests are under way at once.
    #[arg(long, default_value_t = 16)]
    tasks: usize,
    /// How many live tokens, each with its authorization, there are before (SQLite and PostgreSQL).
    #[arg(long, default_value_t = 1_000)]
    tokens: u64,
    /// Runs each flow for a moment, to see that it works.
    #[arg(long)]
    test: bool,
    /// What cargo says.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let mut options = Options::parse();
    if options.test {
        options.seconds = 0.1;
    }
    let folder = tempfile::tempdir().unwrap();
    statements::start();
    println!("store     flow                 requests/s  statements  bare/s  of bare");
    for (name, place) in places(folder.path()) {
        if options.store.as_deref().is_none_or(|only| only == name) {
            measure(name, place, &options).await;
        }
    }
}

fn places(folder: &std::path::Path) -> Vec<(&'static str, Place)> {
    let mut places = vec![("memory", Place::Memory), ("sqlite", Place::sqlite(folder))];
    for (name, variable, place) in [
        ("postgres", "GRANTWELL_POSTGRES", Place::postgres as fn() -> Place),
        ("redis", "GRANTWELL_REDIS", Place::redis),
    ] {
        match std::env::var(variable) {
            Ok(_) => places.push((name, place())),
            Err(_) => eprintln!("{name} is left out: {variable} is not set"),
        }
    }
    places
}

async fn measure(name: &str, place: Place, options: &Options) {
    let flows = with_store!(place.clone(), |store| Flows::over(&store).await);
    // The consent is remembered from here on.
    flows.redeem(&flows.code("alice").await).await.text("access_token");
    fill::fill(&place, options.tokens).await;
    let time = Duration::from_secs_f64(options.seconds);
    for flow in Flow::ALL {
        let statements = statements::of(&flows, flow, &place).await;
        let rate = flow.rate(&flows, options.tasks, time).await;
        let bare = bare::rate(&place, flow, &statements, options.tasks, time).await;
        let count = if statements.is_empty() { "-".to_owned() } else { statements.len().to_string() };
        let (bare, share) = match bare {
            Some(bare) => (format!("{bare:.0}"), format!("{:.0} %", 100.0 * rate / bare)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        println!("{name:<9} {:<20} {rate:>10.0}  {count:>10}  {bare:>6}  {share:>7}", flow.name());
    }
}
