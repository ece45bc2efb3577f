use std::sync::Arc;

use super::broken::{Checked, ensure, ensure_eq};
use super::checks::{Checks, checks};
use super::race::{race, rounds};
use super::sample::Sample;
use crate::storage::TokenStore;

impl<S: TokenStore> Checks<S> {
    /// What can be told of [`save_token`](TokenStore::save_token) by itself.
    pub fn tokens(self) -> Self {
        self.with(checks![
            an_access_token_is_saved_once,
            an_access_token_is_saved_by_one_of_many,
            an_authorization_is_saved_with_many_tokens_at_once,
        ])
    }
}

async fn an_access_token_is_saved_once<S: TokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    store.save_token(&own.issued(1, "token")).await?;
    store.save_token(&own.issued(1, "another")).await?;
    store.save_token(&own.for_itself(&own.client_id("app"), "own")).await?;
    for again in [own.issued(1, "token"), own.issued(2, "token"), own.for_itself(&own.client_id("app"), "own")] {
        ensure(store.save_token(&again).await.is_err(), "a token whose digest is there already is refused")?;
    }
    Ok(())
}

async fn an_access_token_is_saved_by_one_of_many<S: TokenStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let save = move |store: Arc<S>, n| async move { store.save_token(&own.issued(n, "token")).await };
        let saved = race(&store, save).await?;
        ensure_eq(saved.iter().filter(|saved| saved.is_ok()).count(), 1, "saves of one digest that succeed")?;
    }
    Ok(())
}

async fn an_authorization_is_saved_with_many_tokens_at_once<S: TokenStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let save = move |store: Arc<S>, n| async move { store.save_token(&own.issued(1, n)).await };
        for saved in race(&store, save).await? {
            saved?;
        }
    }
    Ok(())
}
