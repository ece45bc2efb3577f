use std::sync::Arc;

use super::broken::{Checked, ensure, ensure_eq};
use super::checks::{Checks, checks};
use super::race::{race, rounds};
use super::sample::Sample;
use super::similar::other_case;
use crate::storage::ReplayStore;

impl<S: ReplayStore> Checks<S> {
    /// What may be used once.
    pub fn claims(self) -> Self {
        self.with(checks![an_id_is_claimed_once, an_id_is_claimed_by_one_of_many])
    }
}

async fn an_id_is_claimed_once<S: ReplayStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let id = own.digest("id");
    for id in [id, own.digest("other"), other_case(id)?] {
        ensure(store.claim(&id, own.at(10)).await?, "an id that nobody claimed can be claimed")?;
        for second in [5, 10, 100] {
            ensure(!store.claim(&id, own.at(second)).await?, "an id is not claimed a second time")?;
        }
    }
    Ok(())
}

async fn an_id_is_claimed_by_one_of_many<S: ReplayStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let claim = move |store: Arc<S>, n| async move { store.claim(&own.digest("id"), own.at(10 + n as u64)).await };
        let claimed = race(&store, claim).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure_eq(claimed.iter().filter(|claimed| **claimed).count(), 1, "callers told that they were first")?;
    }
    Ok(())
}
