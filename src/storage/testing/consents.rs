use std::sync::Arc;

use super::broken::{Checked, ensure_eq, ensure_same};
use super::checks::{Checks, checks};
use super::race::{race, rounds};
use super::sample::{Sample, scope};
use super::similar::similar_names;
use crate::error::StorageError;
use crate::model::{Authorization, Consent, Issued};
use crate::storage::{ConsentStore, RevocationStore, Selector, TokenStore};

impl<S: ConsentStore> Checks<S> {
    /// Remembered consents: one for each subject, client and redirect URI.
    pub fn consents(self) -> Self {
        self.with(checks![
            every_field_of_a_consent_reads_as_it_was_saved,
            a_consent_replaces_the_one_before_it,
            consents_of_similar_names_are_told_apart,
            a_consent_saved_by_many_at_once_is_one_of_theirs,
        ])
    }
}

impl<S: ConsentStore + RevocationStore + TokenStore> Checks<S> {
    /// Which revocations forget consents.
    pub fn disconnection(self) -> Self {
        self.with(checks![only_disconnecting_forgets_consents, disconnecting_forgets_no_similar_consents])
    }
}

async fn find<S: ConsentStore>(store: &S, consent: &Consent) -> Result<Option<Consent>, StorageError> {
    store.query_consent(&consent.subject, &consent.client_id, &consent.redirect_uri).await
}

async fn is_remembered<S: ConsentStore>(store: &S, consent: &Consent) -> Checked {
    ensure_same(find(store, consent).await?, consent, format_args!("the consent {:?}", key(consent)))
}

async fn is_forgotten<S: ConsentStore>(store: &S, consent: &Consent) -> Checked {
    ensure_eq(find(store, consent).await?, None, format_args!("the consent {:?}", key(consent)))
}

fn key(consent: &Consent) -> [&str; 3] {
    [consent.subject.as_str(), consent.client_id.as_str(), &consent.redirect_uri]
}

fn at_app(own: &Sample, subject: &str) -> Consent {
    own.consent(own.subject(subject), own.client_id("app"), "https://app.example/cb".to_owned())
}

async fn every_field_of_a_consent_reads_as_it_was_saved<S: ConsentStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let bare = Consent { scope: scope(""), ..at_app(&own, "bob") };
    for consent in [at_app(&own, "alice"), bare, own.full_consent()] {
        is_forgotten(&*store, &consent).await?;
        store.save_consent(&consent).await?;
        is_remembered(&*store, &consent).await?;
    }
    Ok(())
}

async fn a_consent_replaces_the_one_before_it<S: ConsentStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let first = at_app(&own, "alice");
    let resources = vec!["https://api.example".to_owned()];
    let second = Consent { scope: scope("email"), resources, given_at: own.at(1), ..first.clone() };
    let other = at_app(&own, "bob");
    for consent in [&first, &other, &second, &first] {
        store.save_consent(consent).await?;
        is_remembered(&*store, consent).await?;
    }
    is_remembered(&*store, &other).await
}

/// Consents whose keys differ in one part, or in where one part ends and the next begins.
fn similar_consents(own: &Sample) -> Vec<Consent> {
    let mut consents = Vec::new();
    for (n, name) in similar_names(own).into_iter().enumerate() {
        let uri = format!("https://app.example/{}", own.name("cb"));
        consents.push(own.consent(name.as_str().into(), own.client_id("app"), uri.clone()));
        consents.push(own.consent(own.subject("alice"), name.as_str().into(), uri));
        consents.push(own.consent(
            own.subject("alice"),
            own.client_id("app"),
            format!("https://app.example/{n}{name}"),
        ));
        consents.push(own.consent(own.subject("alice"), own.client_id("app"), format!("https://app.example/{name}")));
    }
    let seed = own.name("");
    for separator in ["", ":", "|", " ", ",", "/", "\u{1f}", "\",\""] {
        let parts = |parts: [&str; 3]| parts.map(|part| part.replace('+', separator));
        for [subject, client_id, uri] in [["a+b", "c", "d"], ["a", "b+c", "d"], ["a", "b", "c+d"]].map(parts) {
            consents.push(own.consent(format!("{seed}{subject}").into(), client_id.into(), uri));
        }
    }
    consents
}

async fn consents_of_similar_names_are_told_apart<S: ConsentStore>(store: Arc<S>) -> Checked {
    let consents = similar_consents(&Sample::new());
    for consent in &consents {
        is_forgotten(&*store, consent).await?;
        store.save_consent(consent).await?;
    }
    for consent in &consents {
        is_remembered(&*store, consent).await?;
    }
    Ok(())
}

async fn a_consent_saved_by_many_at_once_is_one_of_theirs<S: ConsentStore>(store: Arc<S>) -> Checked {
    for _ in rounds() {
        let own = Sample::new();
        let consent = move |n: usize| Consent {
            scope: scope(if n.is_multiple_of(2) { "even" } else { "odd" }),
            given_at: own.at(n as u64),
            ..at_app(&own, "alice")
        };
        let save = move |store: Arc<S>, n| async move { store.save_consent(&consent(n)).await };
        for saved in race(&store, save).await? {
            saved?;
        }
        let found = find(&*store, &consent(0)).await?;
        let writer = found.as_ref().map_or(0, |found| found.given_at.since(own.at(0)));
        ensure_same(found, &consent(writer as usize), "a consent that many saved")?;
    }
    Ok(())
}

async fn only_disconnecting_forgets_consents<S: ConsentStore + RevocationStore + TokenStore>(store: Arc<S>) -> Checked {
    let own = Sample::new();
    let (alice, app) = (own.subject("alice"), own.client_id("app"));
    store.save_token(&own.issued(1, "token")).await?;
    let gone =
        [at_app(&own, "alice"), Consent { redirect_uri: "com.example.app:/cb".to_owned(), ..at_app(&own, "alice") }];
    let kept = [at_app(&own, "bob"), Consent { client_id: own.client_id("other"), ..at_app(&own, "alice") }];
    for consent in gone.iter().chain(&kept) {
        store.save_consent(consent).await?;
    }
    for selector in [
        Selector::Authorization(own.authorization_id(1)),
        Selector::Session(vec![own.session(1)]),
        Selector::Client(app.clone()),
        Selector::Subject(alice.clone()),
    ] {
        store.revoke_authorizations(&selector).await?;
        for consent in gone.iter().chain(&kept) {
            is_remembered(&*store, consent).await?;
        }
    }
    // No authorization stands any more; the consents are forgotten all the same.
    let count = store.revoke_authorizations(&Selector::SubjectAtClient(alice, app)).await?;
    ensure_eq(count, 0, "authorizations that stood, where all were revoked before")?;
    for consent in &gone {
        is_forgotten(&*store, consent).await?;
    }
    for consent in &kept {
        is_remembered(&*store, consent).await?;
    }
    for consent in &gone {
        store.save_consent(consent).await?;
        is_remembered(&*store, consent).await?;
    }
    Ok(())
}

async fn disconnecting_forgets_no_similar_consents<S: ConsentStore + RevocationStore + TokenStore>(
    store: Arc<S>,
) -> Checked {
    let own = Sample::new();
    let uri = "https://app.example/cb";
    let at = |subject: &str, client_id: &str| own.consent(subject.into(), client_id.into(), uri.to_owned());
    let (alice, app) = (own.name("alice"), own.name("app"));
    let similar = similar_names(&own);
    let mut consents: Vec<Consent> = similar.iter().map(|name| at(name, &app)).collect();
    consents.extend(similar.iter().map(|name| at(&alice, name)));
    consents.extend([at(&format!("{alice}:{app}"), "x"), at(&alice, &format!("{app}:x"))]);
    for (n, consent) in consents.iter().enumerate() {
        let (subject, client_id) = (consent.subject.clone(), consent.client_id.clone());
        let authorization = Some(Authorization { subject, client_id: client_id.clone(), ..own.authorization(n) });
        let mut issued = own.issued(n, n);
        issued.access_token.client_id = client_id;
        store.save_token(&Issued { authorization, ..issued }).await?;
        store.save_consent(consent).await?;
    }
    for (n, consent) in consents.iter().enumerate() {
        let selector = Selector::SubjectAtClient(consent.subject.clone(), consent.client_id.clone());
        let count = store.revoke_authorizations(&selector).await?;
        ensure_eq(count, 1, format_args!("what {selector:?} revokes"))?;
        for (other, consent) in consents.iter().enumerate() {
            if other > n { is_remembered(&*store, consent).await? } else { is_forgotten(&*store, consent).await? }
        }
    }
    Ok(())
}
