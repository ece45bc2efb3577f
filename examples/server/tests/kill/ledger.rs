//! What a client knows: what it asked for, and what it was answered.

use reqwest::StatusCode;

use crate::support::Page;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Never,
    /// Done or not: the answer did not come.
    Unanswered,
    Answered,
}

#[derive(Debug, Default)]
pub struct Ledger {
    pub grants: Vec<Grant>,
    /// What the client has for itself.
    pub own_tokens: Vec<Token>,
    /// Authorization requests whose answer did not come: each may have left a code that nobody knows.
    pub lost_codes: usize,
}

/// A code, and what came of it.
#[derive(Debug)]
pub struct Grant {
    pub code: String,
    pub redeemed: Sent,
    pub access_tokens: Vec<Token>,
    /// Each the successor of the one before.
    pub refresh_tokens: Vec<String>,
    /// As a whole: by its refresh token, or by presenting the code again.
    pub revoked: Sent,
}

#[derive(Debug)]
pub struct Token {
    pub value: String,
    pub revoked: Sent,
}

impl Token {
    pub fn of(page: &Page) -> Self {
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        Self { value: page.json()["access_token"].as_str().unwrap().to_owned(), revoked: Sent::Never }
    }
}

impl Grant {
    pub fn new(code: String) -> Self {
        let (redeemed, revoked) = (Sent::Never, Sent::Never);
        Self { code, redeemed, access_tokens: Vec::new(), refresh_tokens: Vec::new(), revoked }
    }

    /// Notes the tokens of an answer.
    pub fn receive(&mut self, page: &Page) {
        self.access_tokens.push(Token::of(page));
        let refresh_token = page.json()["refresh_token"].as_str().unwrap().to_owned();
        if self.refresh_tokens.last() != Some(&refresh_token) {
            self.refresh_tokens.push(refresh_token);
        }
    }
}
