use std::collections::HashMap;

use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use url::Url;

/// The user's browser: it keeps cookies, and goes where the test sends it.
pub struct Browser {
    http: reqwest::Client,
    here: Url,
    consent_page: String,
}

impl Browser {
    /// A browser without cookies, at `url`.
    pub fn new(url: &str) -> Self {
        let http = reqwest::Client::builder().cookie_store(true).redirect(Policy::none()).build().unwrap();
        Self { http, here: url.parse().unwrap(), consent_page: String::new() }
    }

    /// Opens an address; answers the page, or where it redirects to.
    pub async fn open(&mut self, url: &str) -> Answer {
        self.here = self.here.join(url).unwrap();
        Answer::read(self.http.get(self.here.clone()).send().await.unwrap()).await
    }

    /// Sends the form of `page` with what the user typed or pressed.
    pub async fn submit(&mut self, page: &str, typed: &[(&str, &str)]) -> Answer {
        let (action, mut fields) = form(page);
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.here = self.here.join(&action).unwrap();
        Answer::read(self.http.post(self.here.clone()).form(&fields).send().await.unwrap()).await
    }

    /// Logs in as alice where `url` asks for it, allows what is asked or not, and comes out at the redirect URI.
    pub async fn authorize(&mut self, url: &Url, confirm: &str) -> Url {
        let mut answer = self.open(url.as_str()).await;
        if let Answer::Redirect(to) = &answer {
            assert!(to.starts_with("/login?next="), "{to}");
            let login = self.open(to).await.page();
            let wrong = self.submit(&login, &[("user", "alice"), ("password", "looking-glass")]).await;
            assert!(matches!(wrong, Answer::Page(StatusCode::UNAUTHORIZED, _)), "a wrong password");
            let back = self.submit(&login, &[("user", "alice"), ("password", "wonderland")]).await.redirect();
            answer = self.open(&back).await;
        }
        let page = answer.page();
        assert!(page.contains("The App") && page.contains("127.0.0.1") && page.contains("profile"));
        self.consent_page = page;
        self.decide(confirm).await.redirect().parse().unwrap()
    }

    /// Presses a button of the last consent page, again if need be.
    pub async fn decide(&mut self, confirm: &str) -> Answer {
        let page = self.consent_page.clone();
        self.submit(&page, &[("confirm", confirm)]).await
    }
}

/// What came back.
#[derive(Debug)]
pub enum Answer {
    /// A page.
    Page(StatusCode, String),
    /// A redirect, which is not followed.
    Redirect(String),
}

impl Answer {
    async fn read(response: Response) -> Self {
        if response.status().is_redirection() {
            return Self::Redirect(response.headers()["location"].to_str().unwrap().to_owned());
        }
        Self::Page(response.status(), response.text().await.unwrap())
    }

    fn page(self) -> String {
        match self {
            Self::Page(StatusCode::OK, page) => page,
            other => panic!("no page: {other:?}"),
        }
    }

    fn redirect(self) -> String {
        match self {
            Self::Redirect(to) => to,
            other => panic!("no redirect: {other:?}"),
        }
    }
}

/// The action and the hidden fields of the one form of a page.
fn form(page: &str) -> (String, HashMap<String, String>) {
    let tags = |name: &str| page.split('<').filter(move |tag| tag.starts_with(name)).collect::<Vec<_>>();
    let action = attribute(tags("form")[0], "action").unwrap();
    let hidden = tags("input").into_iter().filter(|tag| tag.contains("type=\"hidden\""));
    (action, hidden.map(|tag| (attribute(tag, "name").unwrap(), attribute(tag, "value").unwrap())).collect())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
}
