//! Walks that go on until an answer does not come, and write down each request before it is sent.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::api::Api;
use super::ledger::{Grant, Ledger, Sent, Token};
use crate::support::Page;

/// SplitMix64: all of a run's choices follow from its seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap()
    }
}

/// What the walks and whoever kills the server tell each other.
pub struct Line {
    answers: Semaphore,
    is_cut: AtomicBool,
}

/// The server was killed before it answered.
pub struct Lost;

impl Line {
    pub fn new() -> Self {
        Self { answers: Semaphore::new(0), is_cut: AtomicBool::new(false) }
    }

    /// Waits until so many answers came.
    pub async fn answers(&self, count: u32) {
        let came = timeout(Duration::from_secs(120), self.answers.acquire_many(count)).await;
        came.unwrap_or_else(|_| panic!("{count} answers did not come")).unwrap().forget();
    }

    /// From now on an answer may be lost.
    pub fn cut(&self) {
        self.is_cut.store(true, SeqCst);
    }

    async fn send(&self, request: RequestBuilder) -> Result<Page, Lost> {
        match Page::try_of(request).await {
            Ok(page) => {
                self.answers.add_permits(1);
                Ok(page)
            }
            Err(error) => {
                assert!(self.is_cut.load(SeqCst), "an answer is missing, and nobody killed the server: {error:?}");
                Err(Lost)
            }
        }
    }
}

pub struct Walker {
    pub api: Api,
    pub random: Random,
    pub line: Arc<Line>,
}

impl Walker {
    /// Walks until an answer is lost.
    pub async fn walk(mut self) -> Ledger {
        let mut ledger = Ledger::default();
        let Err(Lost) = self.walk_on(&mut ledger).await;
        ledger
    }

    async fn walk_on(&mut self, ledger: &mut Ledger) -> Result<Infallible, Lost> {
        loop {
            self.own_token(ledger).await?;
            ledger.lost_codes += 1;
            let page = self.line.send(self.api.authorize()).await?;
            ledger.lost_codes -= 1;
            ledger.grants.push(Grant::new(page.answer("code").unwrap()));
            let grant = ledger.grants.last_mut().unwrap();
            match self.random.below(8) {
                0 => continue,
                1 => self.redeem_twice(grant).await?,
                _ => self.redeem(grant).await?,
            }
            // Whether a grant stands after a race depends on who came when.
            while grant.revoked == Sent::Never {
                match self.random.below(16) {
                    0..=6 => self.refresh(grant).await?,
                    7..=8 => self.refresh_again(grant).await?,
                    9..=10 => self.introspect(grant).await?,
                    11..=12 => self.revoke_token(grant).await?,
                    13 => self.revoke(grant).await?,
                    14 => self.replay(grant).await?,
                    _ => break,
                }
            }
        }
    }

    async fn own_token(&mut self, ledger: &mut Ledger) -> Result<(), Lost> {
        ledger.own_tokens.push(Token::of(&self.line.send(self.api.client_credentials()).await?));
        if self.random.below(4) == 0 {
            self.revoke_access_token(ledger.own_tokens.last_mut().unwrap()).await?;
        }
        Ok(())
    }

    async fn redeem(&self, grant: &mut Grant) -> Result<(), Lost> {
        grant.redeemed = Sent::Unanswered;
        let page = self.line.send(self.api.redeem(&grant.code)).await?;
        grant.redeemed = Sent::Answered;
        grant.receive(&page);
        Ok(())
    }

    /// Two requests at once: one wins. The other is too late for this race or is taken for a replay.
    async fn redeem_twice(&self, grant: &mut Grant) -> Result<(), Lost> {
        (grant.redeemed, grant.revoked) = (Sent::Unanswered, Sent::Unanswered);
        let send = || self.line.send(self.api.redeem(&grant.code));
        let (first, second) = tokio::join!(send(), send());
        let has_won = |page: &&Page| page.status == StatusCode::OK;
        let won: Vec<&Page> = [&first, &second].into_iter().flatten().filter(has_won).collect();
        assert!(won.len() < 2, "a code was redeemed twice: {grant:?}");
        if let [page] = won[..] {
            grant.redeemed = Sent::Answered;
            grant.receive(page);
        }
        first.and(second)?;
        assert_eq!(grant.redeemed, Sent::Answered, "nobody won: {grant:?}");
        Ok(())
    }

    async fn refresh(&self, grant: &mut Grant) -> Result<(), Lost> {
        let newest = grant.refresh_tokens.last().unwrap();
        grant.receive(&self.line.send(self.api.refresh(newest)).await?);
        Ok(())
    }

    /// As if the answer had been lost.
    async fn refresh_again(&self, grant: &mut Grant) -> Result<(), Lost> {
        let [.., used, newest] = &grant.refresh_tokens[..] else { return Ok(()) };
        let newest = newest.clone();
        grant.receive(&self.line.send(self.api.refresh(used)).await?);
        assert_eq!(grant.refresh_tokens.last(), Some(&newest), "there is one successor");
        Ok(())
    }

    async fn introspect(&mut self, grant: &mut Grant) -> Result<(), Lost> {
        let token = self.any_token(grant);
        let page = self.line.send(self.api.introspect(&token.value)).await?;
        assert_eq!(page.json()["active"], token.revoked == Sent::Never, "{token:?}");
        Ok(())
    }

    async fn revoke_token(&mut self, grant: &mut Grant) -> Result<(), Lost> {
        let token = self.any_token(grant);
        self.revoke_access_token(token).await
    }

    async fn revoke_access_token(&self, token: &mut Token) -> Result<(), Lost> {
        // Of a token that is dead already nothing is to be lost.
        if token.revoked == Sent::Never {
            token.revoked = Sent::Unanswered;
            assert_eq!(self.line.send(self.api.revoke(&token.value)).await?.status, StatusCode::OK);
            token.revoked = Sent::Answered;
        }
        Ok(())
    }

    async fn revoke(&self, grant: &mut Grant) -> Result<(), Lost> {
        grant.revoked = Sent::Unanswered;
        let newest = grant.refresh_tokens.last().unwrap();
        assert_eq!(self.line.send(self.api.revoke(newest)).await?.status, StatusCode::OK);
        grant.revoked = Sent::Answered;
        Ok(())
    }

    async fn replay(&self, grant: &mut Grant) -> Result<(), Lost> {
        grant.revoked = Sent::Unanswered;
        let page = self.line.send(self.api.redeem(&grant.code)).await?;
        assert_eq!(page.json()["error"], "invalid_grant", "a code was redeemed twice: {grant:?}");
        grant.revoked = Sent::Answered;
        Ok(())
    }

    fn any_token<'a>(&mut self, grant: &'a mut Grant) -> &'a mut Token {
        let count = u32::try_from(grant.access_tokens.len()).unwrap();
        &mut grant.access_tokens[self.random.below(count) as usize]
    }
}
