use std::sync::Arc;

use super::broken::{Checked, ensure, ensure_eq};
use super::checks::{Checks, checks};
use super::race::{RACERS, race, rounds};
use super::sample::{Sample, scope};
use super::similar::{other_case, similar_names};
use crate::error::StorageError;
use crate::model::{Authorization, ClientId, SessionDigest, Subject};
use crate::secret::Digest;
use crate::storage::{AuthorizationCodeStore, RevocationStore, Selector};

impl<S: RevocationStore + AuthorizationCodeStore> Checks<S> {
    /// Authorizations: each selector revokes what it names and counts what stood; revoked is for good. Seen by the codes
    /// under them.
    pub fn revocation(self) -> Self {
        self.with(checks![
            a_revoked_code_is_unknown_and_not_saved_again,
            a_code_saved_under_a_revoked_authorization_is_born_dead,
            an_authorization_is_revoked_alone,
            a_client_is_revoked_with_all_of_its_authorizations,
            a_subject_is_revoked_with_all_of_its_authorizations,
            a_subject_is_revoked_at_one_client,
            a_session_is_revoked_but_for_offline_access,
            similar_clients_are_not_revoked,
            similar_subjects_are_not_revoked,
            authorizations_and_sessions_of_another_case_are_not_revoked,
            a_hundred_authorizations_are_revoked_at_once,
            an_authorization_is_revoked_by_one_of_many,
            what_stood_before_a_revocation_is_dead_after_it,
            a_code_redeemed_while_it_is_revoked_is_dead_afterwards,
        ])
    }
}

async fn stands<S: AuthorizationCodeStore>(store: &S, code: &Digest) -> Result<bool, StorageError> {
    Ok(store.query_authorization_code(code).await?.is_some())
}

async fn a_revoked_code_is_unknown_and_not_saved_again<S: RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    for (n, is_consumed) in [(1, false), (2, true)] {
        let code = own.code(n);
        store.save_authorization_code(&code).await?;
        if is_consumed {
            store.delete_authorization_code(&code.code).await?;
        }
        let count = store.revoke_authorizations(&Selector::Authorization(code.authorization.id)).await?;
        ensure_eq(count, 1, "authorizations that stood")?;
        ensure(!stands(&*store, &code.code).await?, "a code whose authorization was revoked is unknown")?;
        ensure(!store.save_authorization_code(&code).await?, "a revoked code is not inserted again")?;
        ensure(!stands(&*store, &code.code).await?, "a revoked code stays unknown")?;
    }
    Ok(())
}

async fn a_code_saved_under_a_revoked_authorization_is_born_dead<S: RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let authorization = own.authorization(1);
    store.save_authorization_code(&own.code(1)).await?;
    store.revoke_authorizations(&Selector::Authorization(authorization.id)).await?;
    let later = own.code_of("later", authorization.clone());
    store.save_authorization_code(&later).await?;
    for code in [own.code(1), later] {
        ensure(!stands(&*store, &code.code).await?, "a code under a revoked authorization is unknown")?;
    }
    let count = store.revoke_authorizations(&Selector::Authorization(authorization.id)).await?;
    ensure_eq(count, 0, "authorizations that stood, where it was revoked before")
}

/// Four authorizations: alice's at `app` and at `other` in one session, bob's at `app` in another, and alice's at `app`
/// with `offline_access` in her session.
async fn four<S: AuthorizationCodeStore>(store: &S) -> Result<Sample, StorageError> {
    let own = Sample::new();
    for (n, subject, client_id, session, scope) in [
        (1, "alice", "app", "alice's", scope("profile")),
        (2, "alice", "other", "alice's", scope("profile")),
        (3, "bob", "app", "bob's", scope("profile")),
        (4, "alice", "app", "alice's", scope("profile offline_access")),
    ] {
        let (subject, client_id) = (own.subject(subject), own.client_id(client_id));
        let session = Some(own.session(session));
        let authorization = Authorization { subject, client_id, session, scope, ..own.authorization(n) };
        store.save_authorization_code(&own.code_of(n, authorization)).await?;
    }
    Ok(own)
}

/// Whether the selector revokes these of the four, and counts them once.
async fn revokes<S: RevocationStore + AuthorizationCodeStore>(
    store: &S,
    selector: impl Fn(&Sample) -> Selector,
    revoked: &[usize],
) -> Checked {
    let own = four(store).await?;
    let selector = selector(&own);
    for count in [revoked.len(), 0] {
        ensure_eq(store.revoke_authorizations(&selector).await?, count, format_args!("what {selector:?} revokes"))?;
        for n in 1..=4 {
            let (stands, expected) = (stands(store, &own.digest(n)).await?, !revoked.contains(&n));
            ensure_eq(stands, expected, format_args!("whether number {n} stands after {selector:?}"))?;
        }
    }
    Ok(())
}

async fn an_authorization_is_revoked_alone<S: RevocationStore + AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    revokes(&*store, |own| Selector::Authorization(own.authorization_id(1)), &[1]).await?;
    revokes(&*store, |own| Selector::Authorization(own.authorization_id(9)), &[]).await
}

async fn a_client_is_revoked_with_all_of_its_authorizations<S: RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    revokes(&*store, |own| Selector::Client(own.client_id("app")), &[1, 3, 4]).await?;
    revokes(&*store, |own| Selector::Client(own.client_id("unknown")), &[]).await?;
    revokes(&*store, |own| Selector::Client(own.name("alice").into()), &[]).await
}

async fn a_subject_is_revoked_with_all_of_its_authorizations<S: RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    revokes(&*store, |own| Selector::Subject(own.subject("alice")), &[1, 2, 4]).await?;
    revokes(&*store, |own| Selector::Subject(own.subject("unknown")), &[]).await?;
    revokes(&*store, |own| Selector::Subject(own.name("app").into()), &[]).await
}

async fn a_subject_is_revoked_at_one_client<S: RevocationStore + AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let at =
        |subject, client| move |own: &Sample| Selector::SubjectAtClient(own.subject(subject), own.client_id(client));
    revokes(&*store, at("alice", "app"), &[1, 4]).await?;
    revokes(&*store, at("alice", "other"), &[2]).await?;
    revokes(&*store, at("bob", "other"), &[]).await?;
    revokes(&*store, at("app", "alice"), &[]).await
}

async fn a_session_is_revoked_but_for_offline_access<S: RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let known_as = |names: &'static [&'static str]| {
        move |own: &Sample| Selector::Session(names.iter().map(|name| own.session(name)).collect())
    };
    revokes(&*store, known_as(&["alice's"]), &[1, 2]).await?;
    revokes(&*store, known_as(&["bob's", "alice's", "unknown", "alice's"]), &[1, 2, 3]).await?;
    revokes(&*store, known_as(&["unknown"]), &[]).await?;
    revokes(&*store, known_as(&[]), &[]).await
}

/// Whether each selector revokes its one of these authorizations, and no other.
async fn are_told_apart<S: RevocationStore + AuthorizationCodeStore>(
    store: &S,
    own: &Sample,
    pairs: Vec<(Authorization, Selector)>,
) -> Checked {
    for (n, (authorization, _)) in pairs.iter().enumerate() {
        store.save_authorization_code(&own.code_of(n, authorization.clone())).await?;
    }
    for (revoked, (_, selector)) in pairs.iter().enumerate() {
        ensure_eq(store.revoke_authorizations(selector).await?, 1, format_args!("what {selector:?} revokes"))?;
        for n in 0..pairs.len() {
            let stands = stands(store, &own.digest(n)).await?;
            ensure_eq(stands, n > revoked, format_args!("whether number {n} stands after {selector:?}"))?;
        }
    }
    Ok(())
}

async fn similar_clients_are_not_revoked<S: RevocationStore + AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let pairs = similar_names(&own).into_iter().enumerate().map(|(n, name)| {
        let client_id = ClientId::from(name);
        let authorization = Authorization { client_id: client_id.clone(), ..own.authorization(n) };
        let selector = match n % 2 {
            0 => Selector::Client(client_id),
            _ => Selector::SubjectAtClient(own.subject("alice"), client_id),
        };
        (authorization, selector)
    });
    are_told_apart(&*store, &own, pairs.collect()).await
}

async fn similar_subjects_are_not_revoked<S: RevocationStore + AuthorizationCodeStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let pairs = similar_names(&own).into_iter().enumerate().map(|(n, name)| {
        let subject = Subject::from(name);
        let authorization = Authorization { subject: subject.clone(), ..own.authorization(n) };
        let selector = match n % 2 {
            0 => Selector::Subject(subject),
            _ => Selector::SubjectAtClient(subject, own.client_id("app")),
        };
        (authorization, selector)
    });
    are_told_apart(&*store, &own, pairs.collect()).await
}

async fn authorizations_and_sessions_of_another_case_are_not_revoked<S: RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let by_id = own.authorization(1);
    let by_other_id = Authorization { id: other_case(by_id.id)?, ..own.authorization(2) };
    let session = own.session("own");
    let other_session: SessionDigest = other_case(session)?;
    let by_session = Authorization { session: Some(session), ..own.authorization(3) };
    let by_other_session = Authorization { session: Some(other_session), ..own.authorization(4) };
    let pairs = vec![
        (by_id.clone(), Selector::Authorization(by_id.id)),
        (by_other_id.clone(), Selector::Authorization(by_other_id.id)),
        (by_session, Selector::Session(vec![session])),
        (by_other_session, Selector::Session(vec![other_session])),
    ];
    are_told_apart(&*store, &own, pairs).await
}

/// More than fits a page of results or a list of parameters.
async fn a_hundred_authorizations_are_revoked_at_once<S: RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    for n in 0..100 {
        store.save_authorization_code(&own.code(n)).await?;
    }
    let count = store.revoke_authorizations(&Selector::Subject(own.subject("alice"))).await?;
    ensure_eq(count, 100, "authorizations that stood")?;
    for n in 0..100 {
        ensure(!stands(&*store, &own.code(n).code).await?, "every one of a hundred authorizations is revoked")?;
    }
    Ok(())
}

/// A selector of each kind, for the sample's first authorization.
fn selector(own: &Sample, n: usize) -> Selector {
    match n % 5 {
        0 => Selector::Authorization(own.authorization_id(0)),
        1 => Selector::Client(own.client_id("app")),
        2 => Selector::Subject(own.subject("alice")),
        3 => Selector::SubjectAtClient(own.subject("alice"), own.client_id("app")),
        _ => Selector::Session((0..RACERS).map(|session| own.session(session)).collect()),
    }
}

async fn an_authorization_is_revoked_by_one_of_many<S: RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        for n in 0..4 {
            store.save_authorization_code(&own.code(n)).await?;
        }
        let revoke = move |store: Arc<S>, n| async move { store.revoke_authorizations(&selector(&own, n)).await };
        let counts = race(&store, revoke).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        ensure_eq(counts.iter().sum::<usize>(), 4, "authorizations that stood, as all callers count them")?;
        for n in 0..4 {
            ensure(!stands(&*store, &own.code(n).code).await?, "every one of the authorizations is revoked")?;
        }
    }
    Ok(())
}

/// Half of the racers save, the others revoke.
async fn what_stood_before_a_revocation_is_dead_after_it<S: RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        store.save_authorization_code(&own.code(0)).await?;
        let step = move |store: Arc<S>, n| async move {
            if n % 2 == 0 {
                return store.revoke_authorizations(&selector(&own, n)).await.map(|_| ());
            }
            // One more code of the authorization that stands, and an authorization that is new.
            let more = own.code_of(format_args!("more {n}"), own.authorization(0));
            store.save_authorization_code(&more).await?;
            store.save_authorization_code(&own.code(n)).await.map(|_| ())
        };
        for step in race(&store, step).await? {
            step?;
        }
        let more = (0..RACERS).map(|n| own.digest(format_args!("more {n}")));
        for code in more.chain([own.code(0).code]) {
            ensure(!stands(&*store, &code).await?, "a code of an authorization that was revoked meanwhile is dead")?;
        }
        store.revoke_authorizations(&Selector::Subject(own.subject("alice"))).await?;
        for n in 0..RACERS {
            ensure(!stands(&*store, &own.code(n).code).await?, "what was saved meanwhile is revoked afterwards")?;
        }
    }
    Ok(())
}

async fn a_code_redeemed_while_it_is_revoked_is_dead_afterwards<S: RevocationStore + AuthorizationCodeStore>(
    store: Arc<S>,
) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        store.save_authorization_code(&own.code(0)).await?;
        let step = move |store: Arc<S>, n| async move {
            if n % 2 == 0 {
                return store.revoke_authorizations(&selector(&own, n)).await.map(|_| ());
            }
            store.redeem_authorization_code(&own.code(0).code, &own.issued(0, n)).await.map(|_| ())
        };
        for step in race(&store, step).await? {
            step?;
        }
        ensure(!stands(&*store, &own.code(0).code).await?, "a code that was revoked meanwhile is dead")?;
    }
    Ok(())
}
