use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqlitePool};
use sqlx::{Acquire as _, Connection as _, SqlStr, Transaction};
use tokio::sync::oneshot::{Sender, channel};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::{Instant, sleep};

use crate::database::Outcome;

/// The one writer that SQLite has at a time. Changes that come while others are being written wait here, in their
/// order, and are then written in one transaction, each in a savepoint: they share one wait for the disk, and hold no
/// connection meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pool: SqlitePool,
    waiting: Arc<Mutex<VecDeque<Waiting>>>,
    turn: Arc<Turn<()>>,
}

/// Statements that are one change, and what is bound to each of them.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) statements: Vec<SqlStr>,
    pub(crate) arguments: SqliteArguments,
}

#[derive(Debug)]
struct Waiting {
    change: Change,
    done: Sender<Outcome<u64>>,
}

/// Takes the write lock at once: a transaction that reads first could not get it any more after another one wrote.
pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";

/// The most changes in one transaction.
const MOST: usize = 64;

impl Writer {
    pub(crate) fn new(pool: SqlitePool) -> Self {
        Self { pool, waiting: Arc::default(), turn: Arc::default() }
    }

    /// How many rows the first statement of the change changed.
    ///
    /// What has begun is finished also if the caller goes away, for others may be in the same transaction.
    pub(crate) async fn change(&self, change: Change) -> Outcome<u64> {
        let (done, mut outcome) = channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(Waiting { change, done });
        let outcome = tokio::select! {
            biased;
            outcome = &mut outcome => outcome,
            turn = self.turn.clone().lock_owned() => {
                tokio::spawn(self.clone().write_all(turn));
                outcome.await
            }
        };
        outcome.unwrap_or_else(|_| Err(Arc::new(sqlx::Error::WorkerCrashed)))
    }

    /// Those whose callers have not gone away.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|own| !own.done.is_closed());
        waiting
    }

    fn next_batch(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(MOST);
        waiting.drain(..count).collect()
    }

    async fn write_all(self, _turn: OwnedMutexGuard<()>) {
        while !self.waiting().is_empty() {
            let began = Instant::now();
            self.write_next().await;
            if !self.waiting().is_empty() {
                // Writers who do not come this way ask SQLite for the lock now and then, and would never find it free.
                sleep(began.elapsed() / 8).await;
            }
        }
    }

    async fn write_next(&self) {
        let (batch, outcomes) = match self.pool.acquire().await {
            Ok(mut connection) => {
                let (batch, outcomes) = self.write_with(&mut connection).await;
                if outcomes.is_err() {
                    // SQLite may have rolled back by itself (a full disk does that), which sqlx does not notice: this
                    // connection could never begin again.
                    connection.close_on_drop();
                }
                (batch, outcomes)
            }
            Err(error) => (self.next_batch(), Err(error)),
        };
        let outcomes = outcomes.unwrap_or_else(|error| {
            let error = Arc::new(error);
            batch.iter().map(|_| Err(error.clone())).collect()
        });
        for (own, outcome) in batch.into_iter().zip(outcomes) {
            // One that went away does not want to know.
            let _ = own.done.send(outcome);
        }
    }

    /// What became of each change. An error for all: none of them is written, or nobody knows.
    async fn write_with(&self, connection: &mut SqliteConnection) -> (Vec<Waiting>, sqlx::Result<Vec<Outcome<u64>>>) {
        match connection.begin_with(BEGIN).await {
            Ok(transaction) => {
                // Not before: who gave up while the file was locked shall find nothing done.
                let batch = self.next_batch();
                let outcomes = write(transaction, &batch).await;
                (batch, outcomes)
            }
            Err(error) => (self.next_batch(), Err(error)),
        }
    }
}

async fn write(mut transaction: Transaction<'_, Sqlite>, batch: &[Waiting]) -> sqlx::Result<Vec<Outcome<u64>>> {
    let mut outcomes = Vec::new();
    for Waiting { change, .. } in batch {
        let mut own = transaction.begin().await?;
        let outcome = run(&mut own, change).await;
        match outcome {
            Ok(_) => own.commit().await?,
            Err(_) if own.rollback().await.is_ok() => {}
            // The statement's own error says more than that of the way back.
            Err(error) => return Err(error),
        }
        outcomes.push(outcome.map_err(Arc::new));
    }
    transaction.commit().await?;
    Ok(outcomes)
}

async fn run(connection: &mut SqliteConnection, change: &Change) -> sqlx::Result<u64> {
    let mut first = None;
    for statement in &change.statements {
        let query = sqlx::query_with(statement.clone(), change.arguments.clone());
        first.get_or_insert(query.execute(&mut *connection).await?.rows_affected());
    }
    Ok(first.unwrap_or_default())
}
