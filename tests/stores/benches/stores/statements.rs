//! The statements that a flow sends, read from what sqlx logs or Redis shows.

use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use grantwell_store_tests::flows::Flows;
use grantwell_store_tests::place::Place;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use crate::flow::Flow;
use crate::redis_bare;

static IS_ON: AtomicBool = AtomicBool::new(false);
static SENT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Takes the text of each statement that is logged while it is on.
struct Statements;

pub(crate) fn start() {
    tracing::subscriber::set_global_default(Statements).unwrap();
}

impl Subscriber for Statements {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == "sqlx::query" { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query" && IS_ON.load(Ordering::Relaxed)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text;

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        // The whole text stands here if it is longer than the summary.
        let is_short = field.name() == "summary" && !value.contains('…');
        if is_short || (field.name() == "db.statement" && !value.is_empty()) {
            SENT.lock().unwrap().push(value.trim().to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// What the flow sends, in its order: SQL, or Redis's commands.
pub(crate) async fn of(flows: &Flows, flow: Flow, place: &Place) -> Vec<String> {
    let token = flow.prepare(flows).await;
    // Once before, so that connections are open and scripts are known.
    let token = flow.run(flows, token).await;
    match place {
        Place::Memory => Vec::new(),
        Place::Sqlite { .. } | Place::Postgres { .. } => {
            IS_ON.store(true, Ordering::Relaxed);
            flow.run(flows, token).await;
            IS_ON.store(false, Ordering::Relaxed);
            std::mem::take(&mut *SENT.lock().unwrap())
        }
        Place::Redis { url, .. } => redis_bare::commands(url, flow.run(flows, token)).await,
    }
}
