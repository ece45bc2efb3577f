//! Clocks that jump, and clocks that differ: what is used stays used, what has ended stays ended, and no life is longer
//! than the clock says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::*;
use grantwell::grants::RefreshToken;
use grantwell::model::{RefreshPolicy, Rotation};
use grantwell::storage::PurgeStore as _;
use grantwell::{Clock as _, Decision};

const HOUR: u64 = 3600;
/// The first second that 31 bits cannot count, in January 2038; that 32 bits cannot; that has a year of five digits.
const FAR: [u64; 3] = [1 << 31, 1 << 32, 253_402_300_800];

/// Where the clock may jump to from [`START`]: the epoch, an hour back, once more the second before (a leap second), an
/// hour on, and as far as it goes.
fn jumps() -> impl Iterator<Item = u64> {
    [0, START - HOUR, START - 1, START + HOUR].into_iter().chain(FAR).chain([u64::MAX])
}

fn without_grace() -> RefreshToken {
    RefreshToken::with_policy(RefreshPolicy { rotation: Rotation::Rotate { grace: 0 }, ..RefreshPolicy::default() })
}

async fn purge(fixture: &Fixture) {
    fixture.store.purge(fixture.clock.now(), usize::MAX).await.unwrap();
}

/// Asserts that nothing of the answer is good any more.
async fn are_dead(fixture: &Fixture, client: &str, tokens: &Answer) {
    assert!(!fixture.is_active(tokens.text("access_token")).await);
    fixture.refresh(client, tokens.text("refresh_token")).await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn what_is_used_or_revoked_stays_so_wherever_the_clock_jumps() {
    for jump in jumps() {
        let fixture = Fixture::refreshing(without_grace());
        let login = fixture.login("alice");
        let pending = fixture.consent(&code_request("sec"), &login).await;
        let decide = || fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE);
        let code = redirect_param(&decide().await, "code").unwrap();
        fixture.redeem("sec", &code).await.is_ok();
        let [rotated, revoked] = [fixture.tokens("sec").await, fixture.tokens("sec").await];
        let successor = fixture.refresh("sec", rotated.text("refresh_token")).await;
        fixture.post_as("/revoke", "sec", &[("token", revoked.text("refresh_token"))]).await.is_ok();

        fixture.clock.set(jump);
        assert_eq!(redirect_param(&decide().await, "code"), None, "{jump}");
        fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
        fixture.refresh("sec", rotated.text("refresh_token")).await.is_refused(400, "invalid_grant");
        are_dead(&fixture, "sec", &revoked).await;
        are_dead(&fixture, "sec", &successor).await;
        fixture.clock.set(START);
        are_dead(&fixture, "sec", &revoked).await;
        fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn what_has_ended_is_dead_however_far_the_clock_jumps() {
    for jump in jumps().filter(|jump| *jump > START) {
        let fixture = Fixture::new();
        let tokens = fixture.tokens("sec").await;
        let code = fixture.code("sec").await;
        let pending = fixture.consent(&code_request("sec2"), &fixture.login("alice")).await;
        fixture.clock.set(jump);
        assert!(!fixture.is_active(tokens.text("access_token")).await, "{jump}");
        fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
        let login = fixture.login("alice");
        let decided = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
        assert_eq!(redirect_param(&decided, "code"), None);
        if jump > START + HOUR {
            fixture.refresh("sec", tokens.text("refresh_token")).await.is_refused(400, "invalid_grant");
        }
    }
}

/// By a clock that was ahead things end too early. If they were purged by it, that is for good; otherwise they live on
/// when it is right again, to the second they were to end at.
#[tokio::test]
async fn a_clock_that_was_ahead_lengthens_no_life() {
    for is_purged in [true, false] {
        let fixture = Fixture::new();
        let tokens = fixture.tokens("sec").await;
        let code = fixture.code("sec").await;
        fixture.clock.set(START + HOUR);
        fixture.redeem("sec", &code).await.is_refused(400, "invalid_grant");
        if is_purged {
            purge(&fixture).await;
        }
        fixture.clock.set(START + 59);
        assert_eq!(fixture.redeem("sec", &code).await.status == 200, !is_purged);
        for (seconds, is_over) in [(HOUR - 1, false), (HOUR, true)] {
            fixture.clock.set(START + seconds);
            assert_eq!(fixture.is_active(tokens.text("access_token")).await, !is_purged && !is_over);
        }
    }
}

#[tokio::test]
async fn no_second_is_special() {
    for start in [0].into_iter().chain(FAR.map(|far| far - 30)) {
        let fixture = Fixture::new();
        fixture.clock.set(start);
        let code = fixture.code("sec").await;
        fixture.clock.advance(59);
        let tokens = fixture.redeem("sec", &code).await;
        let request = [("token", tokens.is_ok().text("access_token"))];
        let facts = fixture.post_as("/introspect", "rs", &request).await;
        assert_eq!([&facts.json["iat"], &facts.json["exp"]], [start + 59, start + 59 + HOUR]);
        fixture.clock.advance(HOUR - 1);
        assert!(fixture.is_active(tokens.text("access_token")).await);
        fixture.clock.advance(1);
        assert!(!fixture.is_active(tokens.text("access_token")).await);
        fixture.refresh("sec", tokens.text("refresh_token")).await.is_ok();
    }
}

#[tokio::test]
async fn at_the_end_of_time_nothing_lives() {
    let fixture = Fixture::new();
    fixture.clock.set(u64::MAX);
    let login = fixture.login("alice");
    let pending = fixture.consent(&code_request("sec"), &login).await;
    let decided = fixture.server.decide(pending.ticket(), Some(&login), Decision::APPROVE).await;
    assert_eq!(redirect_param(&decided, "code"), None);
    let own = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    assert!(!fixture.is_active(own.is_ok().text("access_token")).await);
}

/// Seconds by which the clocks of the two differ.
const SKEW: u64 = 60;

/// Two servers over one store; the clock of the second is ahead.
struct Replicas {
    slow: Fixture,
    fast: Fixture,
}

impl Replicas {
    fn new(refresh: RefreshToken) -> Self {
        let slow = Fixture::refreshing(refresh);
        let clock = ManualClock::new();
        clock.advance(SKEW);
        let fast = slow.over_the_same_store(|store, _| builder_with(refresh, ISSUER, store, &clock));
        Self { slow, fast: Fixture { clock, ..fast } }
    }

    fn advance(&self, seconds: u64) {
        self.slow.clock.advance(seconds);
        self.fast.clock.advance(seconds);
    }

    /// Each way between the two.
    fn ways(&self) -> [(&Fixture, &Fixture); 2] {
        [(&self.slow, &self.fast), (&self.fast, &self.slow)]
    }
}

#[tokio::test]
async fn what_is_used_or_revoked_at_one_server_is_so_at_the_other() {
    let replicas = Replicas::new(without_grace());
    for (here, there) in replicas.ways() {
        let code = replicas.fast.code("sec").await;
        let tokens = here.redeem("sec", &code).await;
        assert!(there.is_active(tokens.is_ok().text("access_token")).await);
        there.redeem("sec", &code).await.is_refused(400, "invalid_grant");
        are_dead(here, "sec", &tokens).await;

        let first = here.tokens("sec").await;
        let second = here.refresh("sec", first.text("refresh_token")).await;
        let third = there.refresh("sec", second.is_ok().text("refresh_token")).await;
        here.refresh("sec", second.text("refresh_token")).await.is_refused(400, "invalid_grant");
        are_dead(there, "sec", third.is_ok()).await;

        let revoked = here.tokens("sec").await;
        here.post_as("/revoke", "sec", &[("token", revoked.text("refresh_token"))]).await.is_ok();
        are_dead(there, "sec", &revoked).await;
    }
}

#[tokio::test]
async fn what_has_ended_by_the_slower_clock_has_ended_by_both() {
    let replicas = Replicas::new(RefreshToken::rotating());
    let Replicas { slow, fast } = &replicas;
    let code = fast.code("sec").await;
    let own = fast.token("cc", &[("grant_type", "client_credentials")]).await;
    let pending = fast.consent(&code_request("sec2"), &fast.login("alice")).await;
    replicas.advance(60 + SKEW);
    slow.redeem("sec", &code).await.is_refused(400, "invalid_grant");
    replicas.advance(900 - 60);
    let decided = slow.server.decide(pending.ticket(), Some(&slow.login("alice")), Decision::APPROVE).await;
    assert_eq!(redirect_param(&decided, "code"), None);
    replicas.advance(HOUR - 900 - 1);
    let is_active = [fast.is_active(own.text("access_token")).await, slow.is_active(own.text("access_token")).await];
    assert_eq!(is_active, [false, true]);
    replicas.advance(1);
    assert!(!slow.is_active(own.text("access_token")).await);
}

#[tokio::test]
async fn a_used_code_outlives_its_ticket_by_every_clock() {
    let replicas = Replicas::new(RefreshToken::rotating());
    let Replicas { slow, fast } = &replicas;
    let login = slow.login("alice");
    let pending = slow.consent(&code_request("sec"), &login).await;
    let decide = || slow.server.decide(pending.ticket(), Some(&login), Decision::APPROVE);
    let code = redirect_param(&decide().await, "code").unwrap();
    slow.redeem("sec", &code).await.is_ok();
    replicas.advance(899);
    purge(fast).await;
    is_error_page(&decide().await);
    slow.redeem("sec", &code).await.is_refused(400, "invalid_grant");
}

/// Where the clocks differ by more than the grace, a repeated refresh may be taken for a theft; it never gets another
/// successor.
#[tokio::test]
async fn a_repeated_refresh_gets_the_same_successor_or_none() {
    let replicas = Replicas::new(RefreshToken::rotating());
    let Replicas { slow, fast } = &replicas;
    let first = fast.tokens("sec").await;
    let second = fast.refresh("sec", first.text("refresh_token")).await;
    let again = slow.refresh("sec", first.text("refresh_token")).await;
    assert_eq!(again.is_ok().text("refresh_token"), second.text("refresh_token"));
    let third = slow.refresh("sec", second.text("refresh_token")).await;
    fast.refresh("sec", second.text("refresh_token")).await.is_refused(400, "invalid_grant");
    are_dead(slow, "sec", third.is_ok()).await;
}
