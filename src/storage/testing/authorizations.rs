use std::cmp::Reverse;
use std::slice::from_ref;
use std::sync::Arc;

use super::broken::{Checked, ensure_eq, ensure_same};
use super::checks::{Checks, checks};
use super::sample::Sample;
use super::similar::similar_names;
use crate::clock::Timestamp;
use crate::model::{Authorization, Issued, Subject};
use crate::storage::{AuthorizationCodeStore, AuthorizationStore, RevocationStore, Selector};

impl<S: AuthorizationStore + RevocationStore + AuthorizationCodeStore> Checks<S> {
    /// The list of what a user has allowed.
    pub fn authorizations(self) -> Self {
        self.with(checks![
            every_field_of_a_listed_authorization_reads_as_it_was_saved,
            authorizations_are_listed_newest_first,
            an_authorization_is_listed_until_the_second_it_ends,
            a_revoked_authorization_is_not_listed,
            the_authorizations_of_similar_subjects_are_not_listed,
            a_hundred_authorizations_are_listed,
        ])
    }
}

async fn lists<S: AuthorizationStore>(
    store: &S,
    subject: &Subject,
    now: Timestamp,
    expected: &[Authorization],
) -> Checked {
    let listed = store.list_authorizations(subject, now).await?;
    ensure_eq(listed.len(), expected.len(), format_args!("how many authorizations of {subject:?} are listed"))?;
    for (n, (listed, expected)) in listed.into_iter().zip(expected).enumerate() {
        ensure_same(Some(listed), expected, format_args!("number {n} of the list"))?;
    }
    Ok(())
}

async fn every_field_of_a_listed_authorization_reads_as_it_was_saved<S: AuthorizationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let root = own.full_authorization(1);
    let listed = from_ref(&root);
    lists(&*store, &root.subject, own.at(0), &[]).await?;
    store.save_token(&own.full_issued(1)).await?;
    lists(&*store, &root.subject, own.at(0), listed).await?;
    store.save_authorization_code(&own.full_code(1)).await?;
    lists(&*store, &root.subject, own.at(0), listed).await?;
    let root = own.bare_authorization(2);
    store.save_authorization_code(&own.code_of("bare", root.clone())).await?;
    lists(&*store, &root.subject, own.at(0), from_ref(&root)).await
}

async fn authorizations_are_listed_newest_first<S: AuthorizationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let mut expected = Vec::new();
    // Some are of the same second; of those the greater identifier comes first.
    for (n, second) in [5, 1, 3, 1, 4, 3, 2, 3, 3, 1].into_iter().enumerate() {
        let authorization = Authorization { created_at: own.at(second), ..own.authorization(n) };
        store.save_authorization_code(&own.code_of(n, authorization.clone())).await?;
        expected.push(authorization);
    }
    expected.sort_by_key(|own| Reverse((own.created_at, own.id)));
    lists(&*store, &own.subject("alice"), own.at(0), &expected).await
}

async fn an_authorization_is_listed_until_the_second_it_ends<S: AuthorizationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let newer = Authorization { created_at: own.at(2), expires_at: own.at(10), ..own.authorization(1) };
    let older = Authorization { created_at: own.at(1), expires_at: own.at(20), ..own.authorization(2) };
    for authorization in [&newer, &older] {
        store.save_authorization_code(&own.code_of(authorization.id, authorization.clone())).await?;
    }
    let subject = own.subject("alice");
    lists(&*store, &subject, own.at(9), &[newer, older.clone()]).await?;
    for second in [10, 11, 19] {
        lists(&*store, &subject, own.at(second), from_ref(&older)).await?;
    }
    lists(&*store, &subject, own.at(20), &[]).await?;
    lists(&*store, &subject, own.at(2_000), &[]).await
}

async fn a_revoked_authorization_is_not_listed<S: AuthorizationStore + RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    for n in [1, 2] {
        store.save_token(&own.issued(n, n)).await?;
    }
    store.revoke_authorizations(&Selector::Authorization(own.authorization_id(1))).await?;
    for name in ["first", "second"] {
        lists(&*store, &own.subject("alice"), own.at(0), from_ref(&own.authorization(2))).await?;
        // What is saved under it later does not bring it back.
        store.save_token(&own.issued(1, name)).await?;
        store.save_authorization_code(&own.code_of(name, own.authorization(1))).await?;
    }
    Ok(())
}

async fn the_authorizations_of_similar_subjects_are_not_listed<S: AuthorizationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let of = |(n, name): (usize, String)| Authorization { subject: name.into(), ..own.authorization(n) };
    let all: Vec<Authorization> = similar_names(&own).into_iter().enumerate().map(of).collect();
    for (n, authorization) in all.iter().enumerate() {
        lists(&*store, &authorization.subject, own.at(0), &[]).await?;
        store.save_token(&Issued { authorization: Some(authorization.clone()), ..own.issued(n, n) }).await?;
    }
    for authorization in &all {
        lists(&*store, &authorization.subject, own.at(0), from_ref(authorization)).await?;
    }
    Ok(())
}

async fn a_hundred_authorizations_are_listed<S: AuthorizationStore + AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let mut expected = Vec::new();
    for n in 0..100 {
        let authorization = Authorization { created_at: own.at(n as u64), ..own.authorization(n) };
        store.save_authorization_code(&own.code_of(n, authorization.clone())).await?;
        expected.insert(0, authorization);
    }
    lists(&*store, &own.subject("alice"), own.at(0), &expected).await
}
