//! What is left when a step is cut off after any of its commands: nothing that escapes a revocation, and nothing that
//! stands in the way of a retry.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use grantwell::model::{AuthorizationCode, Issued, RefreshToken};
use grantwell::storage::{
    AccessTokenStore as _, AuthorizationCodeStore as _, AuthorizationStore as _, CodeState, Redeemed,
    RefreshTokenStore as _, RevocationStore as _, Selector, TokenStore as _,
};
use grantwell::{StorageError, Timestamp};
use grantwell_redis::{Connection, RedisStore};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncCommands as _, Cmd, ErrorKind, Pipeline, RedisFuture, Value};
use support::{Bench, authorization, code, issued, later, own_token};

/// Lets that many commands pass. The last one's answer is lost on the way, if there is such a one.
#[derive(Clone)]
struct Cut {
    connection: MultiplexedConnection,
    left: Arc<AtomicUsize>,
    loses_last_answer: bool,
}

impl ConnectionLike for Cut {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let cut = Err((ErrorKind::Io, "cut off").into());
            let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            let Ok(left) = left else { return cut };
            let answer = self.connection.req_packed_command(cmd).await;
            if left == 1 && self.loses_last_answer { cut } else { answer }
        })
    }

    fn req_packed_commands<'a>(&'a mut self, _: &'a Pipeline, _: usize, _: usize) -> RedisFuture<'a, Vec<Value>> {
        panic!("the store sent a pipeline, which a cluster refuses across slots")
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

/// What one authorization comes to.
struct Walk {
    code: AuthorizationCode,
    bought: Issued,
    refreshed: Issued,
}

impl Walk {
    fn new() -> Self {
        let code = code(&authorization());
        let bought = issued(&code.authorization);
        let next = RefreshToken { generation: 1, ..bought.refresh_token.clone().unwrap() };
        let refreshed = Issued { refresh_token: Some(next), ..issued(&code.authorization) };
        Self { code, bought, refreshed }
    }

    fn selectors(&self) -> [Selector; 5] {
        let own = &self.code.authorization;
        [
            Selector::Authorization(own.id),
            Selector::Client(own.client_id.clone()),
            Selector::Subject(own.subject.clone()),
            Selector::SubjectAtClient(own.subject.clone(), own.client_id.clone()),
            Selector::Session(vec![own.session.unwrap()]),
        ]
    }

    /// Whether anything of it is alive.
    async fn is_alive<C: Connection>(&self, store: &RedisStore<C>) -> bool {
        store.query_authorization_code(&self.code.code).await.unwrap().is_some()
            || store.query_token(&self.bought.access_token.token).await.unwrap().is_some()
            || store.query_token(&self.refreshed.access_token.token).await.unwrap().is_some()
            || store.query_refresh_token(&self.bought.refresh_token.as_ref().unwrap().handle).await.unwrap().is_some()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    SaveCode,
    Redeem,
    /// Without a code: the authorization is new.
    SaveToken,
    Rotate,
}

impl Step {
    const ALL: [Self; 4] = [Self::SaveCode, Self::Redeem, Self::SaveToken, Self::Rotate];

    async fn take<C: Connection>(self, store: &RedisStore<C>, walk: &Walk) -> Result<(), StorageError> {
        match self {
            Self::SaveCode => store.save_authorization_code(&walk.code).await.map(drop),
            Self::Redeem => store.redeem_authorization_code(&walk.code.code, &walk.bought).await.map(drop),
            Self::SaveToken => store.save_token(&walk.bought).await,
            Self::Rotate => {
                let (next, token) = (walk.refreshed.refresh_token.as_ref().unwrap(), &walk.refreshed.access_token);
                store.rotate_refresh_token(0, next, token).await.map(drop)
            }
        }
    }

    async fn prepare<C: Connection>(self, store: &RedisStore<C>, walk: &Walk) {
        match self {
            Self::SaveCode | Self::SaveToken => {}
            Self::Redeem => assert!(store.save_authorization_code(&walk.code).await.unwrap()),
            Self::Rotate => store.save_token(&walk.bought).await.unwrap(),
        }
    }
}

/// Takes the step again and again, each time cut off one command later, until it comes through, and looks at what is
/// left with `check`.
async fn cut_off_everywhere<F: Future<Output = ()>>(bench: &Bench, step: Step, check: impl Fn(Walk) -> F) {
    for loses_last_answer in [false, true] {
        for commands in 0.. {
            let walk = Walk::new();
            step.prepare(&bench.store, &walk).await;
            let left = Arc::new(AtomicUsize::new(commands));
            let cut = Cut { connection: bench.connection.clone(), left, loses_last_answer };
            let store = RedisStore::new(cut).with_prefix(bench.prefix.as_str());
            let is_through = step.take(&store, &walk).await.is_ok();
            check(walk).await;
            if is_through {
                assert!(commands > 1, "{step:?} took {commands} commands");
                break;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn no_step_leaves_anything_that_escapes_a_revocation() {
    let bench = Bench::new().await;
    for step in Step::ALL {
        for n in 0..5 {
            let check = async |walk: Walk| {
                let was_alive = walk.is_alive(&bench.store).await;
                let selector = &walk.selectors()[n];
                let count = bench.store.revoke_authorizations(selector).await.unwrap();
                assert!(!walk.is_alive(&bench.store).await, "{step:?} {selector:?}");
                assert!(count == 1 || !was_alive, "{step:?} {selector:?}");
            };
            cut_off_everywhere(&bench, step, check).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_code_can_be_saved_again_wherever_it_was_cut_off() {
    let bench = Bench::new().await;
    let check = async |walk: Walk| {
        bench.store.save_authorization_code(&walk.code).await.unwrap();
        let state = bench.store.query_authorization_code(&walk.code.code).await.unwrap();
        assert_eq!(state, Some(CodeState::Active(walk.code)));
    };
    cut_off_everywhere(&bench, Step::SaveCode, check).await;
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_redemption_that_was_cut_off_is_whole_or_nothing() {
    let bench = Bench::new().await;
    let check = async |walk: Walk| {
        let state = bench.store.query_authorization_code(&walk.code.code).await.unwrap().unwrap();
        let is_consumed = matches!(state, CodeState::Consumed(_));
        let token = bench.store.query_token(&walk.bought.access_token.token).await.unwrap();
        let family =
            bench.store.query_refresh_token(&walk.bought.refresh_token.as_ref().unwrap().handle).await.unwrap();
        assert_eq!((token.is_some(), family.is_some()), (is_consumed, is_consumed));
        let again = bench.store.redeem_authorization_code(&walk.code.code, &walk.bought).await.unwrap();
        assert_eq!(again, if is_consumed { Redeemed::Lost } else { Redeemed::Saved });
        assert!(bench.store.query_token(&walk.bought.access_token.token).await.unwrap().is_some());
    };
    cut_off_everywhere(&bench, Step::Redeem, check).await;
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_rotation_that_was_cut_off_is_whole_or_nothing() {
    let bench = Bench::new().await;
    let check = async |walk: Walk| {
        let handle = walk.bought.refresh_token.as_ref().unwrap().handle;
        let family = bench.store.query_refresh_token(&handle).await.unwrap().unwrap();
        let token = bench.store.query_token(&walk.refreshed.access_token.token).await.unwrap();
        assert_eq!(family.token.generation, u64::from(token.is_some()));
    };
    cut_off_everywhere(&bench, Step::Rotate, check).await;
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_clients_own_token_that_was_cut_off_is_revoked_with_the_client() {
    let bench = Bench::new().await;
    // The first time, Redis may not know the script, which is a command more.
    bench.store.save_token(&own_token(&"client".into())).await.unwrap();
    for (commands, loses_last_answer) in [(0, false), (1, true), (1, false), (2, true), (2, false)] {
        let issued = own_token(&format!("client {commands} {loses_last_answer}").into());
        let left = Arc::new(AtomicUsize::new(commands));
        let cut = Cut { connection: bench.connection.clone(), left, loses_last_answer };
        let store = RedisStore::new(cut).with_prefix(bench.prefix.as_str());
        assert_eq!(store.save_token(&issued).await.is_ok(), commands == 2 && !loses_last_answer);
        let found = bench.store.query_token(&issued.access_token.token).await.unwrap();
        assert_eq!(found.is_some(), commands == 2);
        let selector = Selector::Client(issued.access_token.client_id.clone());
        bench.store.revoke_authorizations(&selector).await.unwrap();
        assert_eq!(bench.store.query_token(&issued.access_token.token).await.unwrap(), None);
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_code_cut_off_before_its_row_is_unknown_and_can_be_saved_again() {
    let bench = Bench::new().await;
    let code = code(&authorization());
    assert!(bench.store.save_authorization_code(&code).await.unwrap());
    bench.delete_rows(&code.authorization.id).await;

    assert_eq!(bench.store.query_authorization_code(&code.code).await.unwrap(), None);
    assert!(!bench.store.delete_authorization_code(&code.code).await.unwrap());
    assert!(bench.store.save_authorization_code(&code).await.unwrap());
    assert_eq!(bench.store.query_authorization_code(&code.code).await.unwrap(), Some(CodeState::Active(code.clone())));
    assert!(!bench.store.save_authorization_code(&code).await.unwrap());
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_retry_makes_the_pointer_live_as_long_as_the_row() {
    let bench = Bench::new().await;
    let mut code = code(&authorization());
    code.retain_until = later(100);
    bench.store.save_authorization_code(&code).await.unwrap();
    bench.delete_rows(&code.authorization.id).await;
    code.retain_until = later(200);
    bench.store.save_authorization_code(&code).await.unwrap();
    let pointer = format!("{}code:{}", bench.prefix, code.code);
    let end: u64 = bench.connection.clone().expire_time(pointer).await.unwrap();
    assert_eq!(Timestamp::from_unix(end), code.retain_until);
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn tokens_cut_off_before_their_rows_are_unknown_and_can_be_saved_again() {
    let bench = Bench::new().await;
    let issued = issued(&authorization());
    let (token, handle) = (issued.access_token.token, issued.refresh_token.as_ref().unwrap().handle);
    bench.store.save_token(&issued).await.unwrap();
    bench.delete_rows(&issued.access_token.authorization.unwrap()).await;

    assert_eq!(bench.store.query_token(&token).await.unwrap(), None);
    assert_eq!(bench.store.query_refresh_token(&handle).await.unwrap(), None);
    bench.store.revoke_token(&token).await.unwrap();
    bench.store.save_token(&issued).await.unwrap();
    assert!(bench.store.query_token(&token).await.unwrap().is_some());
    assert!(bench.store.query_refresh_token(&handle).await.unwrap().is_some());
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn an_authorization_that_is_indexed_and_then_revoked_is_born_dead() {
    let bench = Bench::new().await;
    for n in 0..4 {
        let own = authorization();
        let selector = match n {
            0 => Selector::Client(own.client_id.clone()),
            1 => Selector::Subject(own.subject.clone()),
            2 => Selector::SubjectAtClient(own.subject.clone(), own.client_id.clone()),
            _ => Selector::Session(vec![own.session.unwrap()]),
        };
        let (code, issued) = (code(&own), issued(&own));
        // What a creator has written when it is overtaken: the index entries, no row.
        bench.store.save_authorization_code(&code).await.unwrap();
        bench.delete_rows(&own.id).await;

        assert_eq!(bench.store.revoke_authorizations(&selector).await.unwrap(), 0, "{selector:?}");
        assert!(bench.store.save_authorization_code(&code).await.unwrap());
        bench.store.save_token(&issued).await.unwrap();
        assert_eq!(bench.store.query_authorization_code(&code.code).await.unwrap(), None, "{selector:?}");
        assert_eq!(bench.store.query_token(&issued.access_token.token).await.unwrap(), None, "{selector:?}");
        assert_eq!(bench.store.list_authorizations(&own.subject, later(0)).await.unwrap(), [], "{selector:?}");
        let mark = format!("{}authorization:{{{}}}", bench.prefix, own.id);
        let end: u64 = bench.connection.clone().expire_time(mark).await.unwrap();
        assert_eq!(Timestamp::from_unix(end), own.expires_at, "the mark lasts as long as the authorization would");
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_clients_own_token_that_is_indexed_and_then_revoked_is_refused() {
    let bench = Bench::new().await;
    let issued = own_token(&"client".into());
    bench.store.save_token(&issued).await.unwrap();
    let row = format!("{}token:{}", bench.prefix, issued.access_token.token);
    bench.connection.clone().del::<_, ()>(row).await.unwrap();

    bench.store.revoke_authorizations(&Selector::Client("client".into())).await.unwrap();
    assert!(bench.store.save_token(&issued).await.is_err());
    assert_eq!(bench.store.query_token(&issued.access_token.token).await.unwrap(), None);
}
