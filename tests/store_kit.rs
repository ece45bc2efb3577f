//! The kit that proves stores: the memory store passes it, and each planted fault is found by the checks about it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod planted;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use grantwell::model::{AuthMethod, Client, ClientId, ClientMetadata};
use grantwell::storage::testing::{self, Checks, Report};
use grantwell::storage::{AuthorizationCodeStore, ClientStore};
use grantwell::stores::MemoryStore;
use planted::{Fault, Planted};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_keeps_every_promise() {
    let store = Arc::new(MemoryStore::new());
    // The second time the records of the first are there.
    for _ in 0..2 {
        let report = testing::every_promise(store.clone()).await;
        report.assert();
        let names: BTreeSet<_> = report.passed().into_iter().collect();
        assert_eq!(names.len(), report.passed().len(), "every check has a name of its own");
        assert!(names.len() > 90, "{} checks", names.len());
    }
}

/// Whether exactly these checks fail.
#[track_caller]
fn fails(report: &Report, expected: &[&str]) {
    let failed: BTreeSet<_> = report.failed().into_iter().collect();
    assert_eq!(failed, expected.iter().copied().collect(), "{report}");
    assert!(report.passed().len() > report.failed().len());
}

async fn fails_with(fault: Fault, expected: &[&str]) {
    fails(&testing::every_promise(Planted::new(fault)).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_reads_a_code_and_then_consumes_it_has_several_winners() {
    let expected = [
        "a_code_is_consumed_by_one_of_many",
        "a_code_is_redeemed_by_one_of_many",
        "only_what_the_winner_of_a_redemption_issued_is_alive",
    ];
    fails_with(Fault::ConsumesAfterReading, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_forgets_consumed_codes_is_found_out() {
    let expected = [
        "a_consumed_code_is_still_seen",
        "a_redeemed_code_is_still_seen",
        "a_code_is_inserted_if_it_is_absent_whatever_its_state",
        "a_code_is_purged_when_it_need_not_be_retained",
    ];
    fails_with(Fault::ForgetsConsumedCodes, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_drops_a_field_is_found_out_and_the_field_is_named() {
    let report = testing::every_promise(Planted::new(Fault::DropsExtensions)).await;
    fails(&report, &["every_field_of_a_code_reads_as_it_was_saved", "a_consumed_code_is_still_seen"]);
    assert!(report.to_string().contains("extensions.null: saved null, read nothing"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_revives_what_was_revoked_is_found_out() {
    let expected = [
        "a_token_saved_under_a_revoked_authorization_is_born_dead",
        "a_token_saved_while_its_authorization_is_revoked_is_dead_afterwards",
        "what_was_revoked_is_kept_until_it_ends",
    ];
    fails_with(Fault::RevivesAuthorizations, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_reads_a_family_and_then_replaces_it_has_several_successors() {
    let expected = [
        "a_generation_has_one_successor_and_every_loser_learns_it",
        "only_what_the_winner_of_a_rotation_issued_is_alive",
    ];
    fails_with(Fault::RotatesAfterReading, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_looks_before_it_claims_is_found_out() {
    fails_with(Fault::ClaimsAfterLooking, &["an_id_is_claimed_by_one_of_many"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_looks_before_it_claims_is_found_out_even_if_it_never_waits() {
    fails_with(Fault::ClaimsInTwoSteps, &["an_id_is_claimed_by_one_of_many"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_replaces_a_signing_key_is_found_out() {
    let expected = ["a_signing_key_is_inserted_if_it_is_absent", "a_signing_key_is_inserted_by_one_of_many"];
    fails_with(Fault::ReplacesSigningKeys, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_looks_before_it_saves_a_signing_key_is_found_out() {
    fails_with(Fault::SavesSigningKeysAfterLooking, &["a_signing_key_is_inserted_by_one_of_many"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_ignores_case_is_found_out() {
    let expected = [
        "codes_are_told_apart_by_case",
        "similar_clients_are_told_apart",
        "consents_of_similar_names_are_told_apart",
        "disconnecting_forgets_no_similar_consents",
        "signing_keys_of_similar_names_are_told_apart",
    ];
    fails_with(Fault::IgnoresCase, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_counts_what_was_revoked_before_is_found_out() {
    let expected = [
        "an_authorization_is_revoked_alone",
        "an_authorization_is_revoked_by_one_of_many",
        "a_code_saved_under_a_revoked_authorization_is_born_dead",
        "a_token_saved_under_a_revoked_authorization_is_born_dead",
    ];
    fails_with(Fault::CountsTheRevoked, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_purges_a_second_early_is_found_out() {
    let expected = [
        "an_access_token_is_purged_in_the_second_it_ends",
        "a_code_is_purged_when_it_need_not_be_retained",
        "a_family_is_purged_in_the_second_it_ends",
        "an_authorization_is_purged_in_the_second_it_ends",
        "what_was_revoked_is_kept_until_it_ends",
        "a_claim_is_purged_in_the_second_it_ends",
    ];
    fails_with(Fault::PurgesEarly, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_panic_of_the_store_fails_the_check_and_not_the_kit() {
    let report = Checks::new(Planted::new(Fault::Panics)).consents().claims().run().await;
    let expected = [
        "every_field_of_a_consent_reads_as_it_was_saved",
        "a_consent_replaces_the_one_before_it",
        "consents_of_similar_names_are_told_apart",
        "a_consent_saved_by_many_at_once_is_one_of_theirs",
    ];
    assert_eq!(report.failed(), expected);
    assert_eq!(
        report.passed(),
        ["the_runtime_has_several_threads", "an_id_is_claimed_once", "an_id_is_claimed_by_one_of_many"]
    );
    let message = catch_unwind(AssertUnwindSafe(|| report.assert())).unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("4 of 7 checks failed"), "{message}");
    for check in expected {
        assert!(message.contains(&format!("{check}: ")), "{message}");
    }
    assert!(message.contains("a planted panic"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_forgets_by_itself_passes() {
    testing::every_promise_with_native_expiry(Planted::new(Fault::Expires)).await.assert();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_forgets_a_second_early_is_found_out() {
    let report = testing::every_promise_with_native_expiry(Planted::new(Fault::ExpiresEarly)).await;
    let expected = [
        "a_code_is_forgotten_when_it_need_not_be_retained",
        "an_access_token_is_forgotten_when_it_ends",
        "a_family_is_forgotten_when_it_ends",
        "an_authorization_is_forgotten_when_it_ends",
        "a_claim_is_forgotten_when_it_ends",
    ];
    fails(&report, &expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_that_does_not_forget_by_itself_is_found_out() {
    let report = Checks::new(Arc::new(MemoryStore::new())).native_expiry_of_claims().run().await;
    assert_eq!(report.failed(), ["a_claim_is_forgotten_when_it_ends"], "{report}");
}

#[tokio::test]
async fn one_thread_is_too_few() {
    let report = testing::every_promise(Arc::new(MemoryStore::new())).await;
    assert_eq!(report.failed(), ["the_runtime_has_several_threads"], "{report}");
    assert!(report.to_string().contains("multi_thread"), "{report}");
}

/// What a host with five hooks can run.
fn of_five_hooks<S: ClientStore + AuthorizationCodeStore>(store: Arc<S>, known: ClientId) -> Checks<S> {
    Checks::new(store).tokens().authorization_codes().known_client(known)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_runs_the_checks_of_what_it_has() {
    let store = Arc::new(MemoryStore::new());
    let redirect_uris = vec!["https://app.example/cb".parse().unwrap()];
    let metadata =
        ClientMetadata { token_endpoint_auth_method: AuthMethod::NONE, redirect_uris, ..ClientMetadata::default() };
    store.insert_client(Client::new("app".into(), None, metadata).unwrap());
    of_five_hooks(store.clone(), "app".into()).run().await.assert();
    let report = of_five_hooks(store, "other".into()).run().await;
    assert_eq!(report.failed(), ["a_client_is_found_by_its_identifier_alone"], "{report}");
}
