//! What the keys are: which of them expire, what stands in them, and in which slot of a cluster they are.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use redis::{AsyncCommands as _, cmd};
use support::{Bench, fill};

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn every_key_expires_but_clients_consents_and_signing_keys() {
    let bench = Bench::new().await;
    fill(&bench).await;
    let keys = bench.keys("").await;
    assert!(keys.len() > 20, "{keys:#?}");
    let mut lasting = Vec::new();
    for key in keys {
        if bench.connection.clone().ttl::<_, i64>(&key).await.unwrap() < 0 {
            lasting.push(key);
        }
    }
    lasting.sort();
    let kinds = ["client:", "issuer:", "subject:"].map(|kind| format!("{}{kind}", bench.prefix));
    assert_eq!(lasting.len(), kinds.len(), "{lasting:#?}");
    assert!(lasting.iter().zip(&kinds).all(|(key, kind)| key.starts_with(kind)), "{lasting:#?}");
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn nothing_that_somebody_chose_gets_into_a_key() {
    let bench = Bench::new().await;
    let names = fill(&bench).await;
    for key in bench.keys("").await {
        for name in &names {
            assert!(!key.contains(name.as_str()), "{key} has {name}");
        }
        let braces = key.matches(['{', '}']).count();
        assert!(braces == 0 || braces == 2, "{key}");
    }
}

#[tokio::test]
#[ignore = "needs a Redis in cluster mode: GRANTWELL_REDIS_CLUSTER=redis://.."]
async fn all_of_one_authorization_is_in_one_slot() {
    let bench = Bench::at("GRANTWELL_REDIS_CLUSTER").await;
    fill(&bench).await;
    let keys = bench.keys("authorization:").await;
    assert!(keys.len() > 5, "{keys:#?}");
    let mut slots = BTreeSet::new();
    for key in keys {
        let slot = cmd("CLUSTER").arg("KEYSLOT").arg(key).query_async::<u16>(&mut bench.connection.clone()).await;
        slots.insert(slot.unwrap());
    }
    assert_eq!(slots.len(), 1);
}
