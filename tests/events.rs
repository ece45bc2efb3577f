//! What the host and the log are told, and that neither learns a secret.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use common::intercept::{Fault, Intercepted, When};
use common::*;
use grantwell::Decision;
use grantwell::events::{Event, EventSink};
use grantwell::storage::Selector;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

/// What it was told, as text.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The names of the events since the last time.
    fn names(&self) -> Vec<String> {
        let name = |text: String| text.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        self.take().into_iter().map(name).collect()
    }

    /// The one event since the last time.
    fn only(&self) -> String {
        let [only] = <[String; 1]>::try_from(self.take()).unwrap();
        only
    }
}

impl EventSink for Told {
    fn event(&self, event: &Event<'_>) {
        let mut text = format!("{event:?}");
        if let Event::Refused { error, .. } = event {
            let cause = std::error::Error::source(*error).map(ToString::to_string);
            let _ = write!(text, " because of {cause:?}");
        }
        self.0.lock().unwrap().push(text);
    }
}

/// A subscriber that writes everything down.
impl Subscriber for Told {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.0.lock().unwrap().push(format!("{attributes:?}"));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.0.lock().unwrap().push(format!("{values:?}"));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

fn listening() -> (Told, Fixture) {
    let told = Told::default();
    let sink = told.clone();
    (told, Fixture::with(|builder| builder.events(sink)))
}

#[tokio::test]
async fn a_decision_and_what_is_issued_are_told() {
    let (told, fixture) = listening();
    let code = fixture.code("sec").await;
    let decided = told.only();
    assert!(decided.starts_with("Decided") && decided.contains("alice") && decided.contains("profile"), "{decided}");
    let tokens = fixture.redeem("sec", &code).await;
    let issued = told.only();
    assert!(issued.starts_with("Issued") && issued.contains("authorization_code"), "{issued}");
    fixture.refresh("sec", tokens.text("refresh_token")).await.is_ok();
    assert!(told.only().contains("refresh_token"));
    fixture.token("cc", &[("grant_type", "client_credentials")]).await.is_ok();
    assert!(told.only().contains("authorization: None"));
    let login = fixture.login("bob");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let _ = fixture.server.decide(pending.ticket(), Some(&login), Decision::Deny).await;
    let names = told.take();
    assert!(names[0].starts_with("Decided") && names[0].contains("scope: None"), "{names:?}");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let (told, fixture) = listening();
    fixture.redeem("sec", "unknown").await.is_refused(400, "invalid_grant");
    let refused = told.only();
    assert!(refused.starts_with("Refused") && refused.contains("/token") && refused.contains("sec"), "{refused}");
    fixture.send(post_basic("/token", "sec", "wrong", &[])).await.is_refused(401, "invalid_client");
    assert!(told.only().contains("\"sec\""), "whose secret is being guessed");
    is_error_page(&fixture.respond(&[("client_id", "unknown")], None).await);
    assert!(told.only().contains("authorization"));
}

#[tokio::test]
async fn the_cause_of_a_fault_is_told_and_not_sent() {
    let (told, fault) = (Told::default(), Fault::new(When::Before));
    let (sink, interceptor) = (told.clone(), fault.clone());
    let fixture =
        Fixture::made(|store, clock| builder(ISSUER, &Intercepted::new(store, interceptor), clock).events(sink));
    fault.arm(0);
    let answer = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    assert!(!answer.json.to_string().contains("database"));
    assert!(told.only().contains("the database is away"));
    fault.arm(0);
    let page = fixture.respond(&code_request("sec"), None).await;
    assert!(!String::from_utf8_lossy(page.body()).contains("database"));
    assert!(told.only().contains("the database is away"));
}

#[tokio::test]
async fn a_replay_a_reuse_and_every_revocation_are_told() {
    let (told, fixture) = listening();
    let code = fixture.code("sec").await;
    fixture.redeem("sec", &code).await.is_ok();
    told.take();
    fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    assert_eq!(told.names(), ["CodeReplayed", "Refused"]);
    let first = fixture.tokens("sec").await;
    fixture.refresh("sec", first.text("refresh_token")).await.is_ok();
    fixture.clock.advance(30);
    told.take();
    fixture.refresh("sec", first.text("refresh_token")).await.is_refused(400, "invalid_grant");
    assert_eq!(told.names(), ["RefreshTokenReused", "Refused"]);
    let tokens = fixture.tokens("sec").await;
    told.take();
    for (token, authorization) in [("access_token", "authorization: None"), ("refresh_token", "authorization: Some")] {
        fixture.post_as("/revoke", "sec", &[("token", tokens.text(token))]).await.is_ok();
        let revoked = told.only();
        assert!(revoked.starts_with("Revoked") && revoked.contains(authorization), "{revoked}");
    }
    fixture.post_as("/revoke", "sec", &[("token", tokens.text("access_token"))]).await.is_ok();
    assert_eq!(told.take(), Vec::<String>::new(), "nothing was revoked");
    fixture.tokens("sec").await;
    told.take();
    fixture.revoke(&Selector::Subject("alice".into())).await;
    let revoked = told.only();
    assert!(revoked.starts_with("AuthorizationsRevoked") && revoked.contains("count: 1"), "{revoked}");
}

#[tokio::test]
async fn a_record_of_another_issuer_is_unknown_and_told() {
    let (told, fixture) = listening();
    let other = fixture.over_the_same_store(|store, clock| builder("https://other.example", store, clock));
    let code = other.code("sec").await;
    let tokens = other.tokens("sec").await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    told.take();
    let before = fixture.snapshot();
    fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    assert_eq!(told.names(), ["ForeignRecord", "Refused"]);
    fixture.refresh("sec", refresh).await.is_refused(400, "invalid_grant");
    assert_eq!(told.names(), ["ForeignRecord", "Refused"]);
    for token in [access, refresh] {
        let answer = fixture.post_as("/introspect", "sec", &[("token", token)]).await;
        assert_eq!(answer.json, serde_json::json!({ "active": false }));
        assert_eq!(told.names(), ["ForeignRecord"]);
        fixture.post_as("/revoke", "sec", &[("token", token)]).await.is_ok();
        assert_eq!(told.names(), ["ForeignRecord"]);
    }
    let login = fixture.login("alice");
    let _asked_again = fixture.consent(&code_request("sec"), &login).await;
    assert_eq!(told.names(), ["ForeignRecord"]);
    assert_eq!(fixture.snapshot(), before);
    assert!(other.is_active(access).await);
}

#[tokio::test]
async fn neither_events_nor_the_log_hold_a_secret() {
    let (told, fixture) = listening();
    let log = Told::default();
    // Not for this thread alone: whether a callsite is of interest may be settled by another test's thread.
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let approved = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    let code = redirect_param(&approved, "code").unwrap();
    let first = fixture.redeem("sec", &code).await;
    let second = fixture.refresh("sec", first.text("refresh_token")).await;
    fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    fixture.refresh("sec", second.text("refresh_token")).await.is_refused(400, "invalid_grant");
    let third = fixture.tokens("sec").await;
    assert!(fixture.is_active(third.text("access_token")).await);
    fixture.send(post_basic("/token", "sec", "wrong-secret", &redemption(&code))).await;
    let _ = fixture.server.decide("wrong-ticket", Some(&login), Decision::APPROVE).await;
    for token in ["access_token", "refresh_token"] {
        fixture.post_as("/revoke", "sec", &[("token", third.text(token))]).await.is_ok();
    }
    fixture.revoke(&fixture.server.session_selector("session of alice")).await;
    let told = [told.take(), log.take()];
    for lines in &told {
        assert!(lines.len() > 8, "{lines:?}");
    }
    let text = told.concat().join("\n");
    let mut secrets = vec![code.as_str(), pending.ticket(), "session of alice", "sec-secret", VERIFIER];
    secrets.extend(["wrong-secret", "wrong-ticket"]);
    for answer in [&first, &second, &third] {
        secrets.extend([answer.text("access_token"), answer.text("refresh_token")]);
        secrets.extend(answer.text("refresh_token").rsplit('.').next());
    }
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
