use std::slice;
use std::sync::Arc;

use super::broken::{Checked, ensure, ensure_eq, ensure_same};
use super::checks::{Checks, checks};
use super::race::{race, rounds};
use super::sample::Sample;
use super::similar::similar_names;
use crate::model::SigningKey;
use crate::storage::KeyStore;

impl<S: KeyStore> Checks<S> {
    /// The keys that sign tokens: one for each issuer, algorithm and generation.
    pub fn signing_keys(self) -> Self {
        self.with(checks![
            every_field_of_a_signing_key_reads_as_it_was_saved,
            a_signing_key_is_inserted_if_it_is_absent,
            a_signing_key_is_inserted_by_one_of_many,
            signing_keys_of_similar_names_are_told_apart,
            a_signing_key_is_deleted_alone_and_may_be_saved_again,
        ])
    }
}

/// Whether exactly these are the keys of their issuer, which the first of them names.
async fn are_kept<S: KeyStore>(store: &S, keys: &[SigningKey]) -> Checked {
    let Some(SigningKey { issuer, .. }) = keys.first() else { return Ok(()) };
    let found = store.query_signing_keys(issuer).await?;
    ensure_eq(found.len(), keys.len(), format_args!("signing keys of {issuer:?}"))?;
    for key in keys {
        let same = found.iter().find(|own| (&own.algorithm, own.generation) == (&key.algorithm, key.generation));
        ensure_same(same.cloned(), key, format_args!("the signing key {:?} {}", key.algorithm, key.generation))?;
    }
    Ok(())
}

async fn saves_new<S: KeyStore>(store: &S, key: &SigningKey) -> Checked {
    ensure(store.save_signing_key(key).await?, "a signing key that is absent is saved")
}

async fn every_field_of_a_signing_key_reads_as_it_was_saved<S: KeyStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    for key in [own.signing_key(0), own.full_signing_key()] {
        ensure_eq(store.query_signing_keys(&key.issuer).await?, Vec::new(), "the keys of an issuer that has none")?;
        saves_new(&*store, &key).await?;
        are_kept(&*store, &[key]).await?;
    }
    Ok(())
}

/// The same generation, of which everything else is another.
fn another(own: &Sample, key: &SigningKey) -> SigningKey {
    let SigningKey { issuer, algorithm, generation, .. } = key.clone();
    SigningKey { issuer, algorithm, generation, ..own.full_signing_key() }
}

async fn a_signing_key_is_inserted_if_it_is_absent<S: KeyStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let [first, second] = [0, 1].map(|generation| own.signing_key(generation));
    saves_new(&*store, &first).await?;
    for same in [&another(&own, &first), &first] {
        ensure(!store.save_signing_key(same).await?, "a generation that is there is not saved again")?;
        are_kept(&*store, slice::from_ref(&first)).await?;
    }
    saves_new(&*store, &second).await?;
    are_kept(&*store, &[first, second]).await
}

async fn a_signing_key_is_inserted_by_one_of_many<S: KeyStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let key = move |n: usize| SigningKey { private_key: n.to_string(), ..own.signing_key(1) };
        let save = move |store: Arc<S>, n| async move { store.save_signing_key(&key(n)).await };
        let saved = race(&store, save).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure_eq(saved.iter().filter(|saved| **saved).count(), 1, "callers told that their signing key is saved")?;
        let winner = saved.iter().position(|saved| *saved).unwrap_or_default();
        are_kept(&*store, &[key(winner)]).await?;
    }
    Ok(())
}

/// Keys that differ in one part, or in where one part ends and the next begins.
fn similar_keys(own: &Sample) -> Vec<SigningKey> {
    let issuer = own.name("issuer");
    let generations = [("RS256", 1), ("RS256", 11), ("RS2561", 1), ("RS256", 1 + (1 << 32)), ("RS256", 1 << 40)];
    let mut parts: Vec<_> = generations.map(|(algorithm, n)| (issuer.clone(), algorithm.to_owned(), n)).into();
    for name in similar_names(own) {
        parts.push((name.clone(), "RS256".to_owned(), 1));
        parts.push((issuer.clone(), name, 1));
    }
    for separator in ["", ":", "|", " ", ",", "/", "\u{1f}", "\",\""] {
        let issuer = own.name(separator);
        parts.push((format!("{issuer}{separator}a"), "b".to_owned(), 1));
        parts.push((issuer, format!("a{separator}b"), 1));
    }
    let key = |(issuer, algorithm, generation): (String, String, u64)| SigningKey {
        issuer: issuer.into(),
        algorithm,
        ..own.signing_key(generation)
    };
    parts.into_iter().map(key).collect()
}

async fn signing_keys_of_similar_names_are_told_apart<S: KeyStore>(store: Arc<S>) -> Checked {
    let keys = similar_keys(&Sample::new());
    for key in &keys {
        saves_new(&*store, key).await?;
    }
    for key in &keys {
        let of_issuer: Vec<_> = keys.iter().filter(|other| other.issuer == key.issuer).cloned().collect();
        are_kept(&*store, &of_issuer).await?;
    }
    Ok(())
}

async fn a_signing_key_is_deleted_alone_and_may_be_saved_again<S: KeyStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let [key, next] = [0, 1].map(|generation| own.signing_key(generation));
    let by_other = SigningKey { algorithm: "ES256".to_owned(), ..key.clone() };
    let elsewhere = SigningKey { issuer: own.name("https://other-as.example/").into(), ..key.clone() };
    for key in [&key, &next, &by_other, &elsewhere] {
        saves_new(&*store, key).await?;
    }
    let again = another(&own, &key);
    // Whatever else the key to delete says; the second time there is none.
    for _ in 0..2 {
        store.delete_signing_key(&again).await?;
        are_kept(&*store, &[next.clone(), by_other.clone()]).await?;
    }
    saves_new(&*store, &again).await?;
    are_kept(&*store, &[again, next, by_other]).await?;
    are_kept(&*store, &[elsewhere]).await
}
