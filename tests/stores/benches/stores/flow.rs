use std::time::{Duration, Instant};

use grantwell_store_tests::flows::Flows;

/// What a client or a resource server does again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// One request of a resource server.
    Introspection,
    /// One request.
    ClientCredentials,
    /// One request.
    Refresh,
    /// Two requests: the authorization, by a remembered consent, and the redemption.
    Code,
}

impl Flow {
    pub(crate) const ALL: [Self; 4] = [Self::Introspection, Self::ClientCredentials, Self::Refresh, Self::Code];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Introspection => "introspection",
            Self::ClientCredentials => "client credentials",
            Self::Refresh => "refresh",
            Self::Code => "code and redemption",
        }
    }

    /// What the flow is run with: an access token or a refresh token.
    pub(crate) async fn prepare(self, flows: &Flows) -> String {
        let tokens = flows.redeem(&flows.code("alice").await).await;
        tokens.text(if self == Self::Refresh { "refresh_token" } else { "access_token" })
    }

    /// Runs it once. What to run it with next.
    pub(crate) async fn run(self, flows: &Flows, token: String) -> String {
        match self {
            Self::Introspection => {
                assert!(flows.is_active(&token).await);
                token
            }
            Self::ClientCredentials => flows.client_credentials().await.text("access_token"),
            Self::Refresh => flows.refresh(&token).await.text("refresh_token"),
            Self::Code => flows.redeem(&flows.code("alice").await).await.text("access_token"),
        }
    }

    /// How often a second it runs, in that many tasks.
    pub(crate) async fn rate(self, flows: &Flows, tasks: usize, time: Duration) -> f64 {
        let mut tokens = Vec::new();
        for _ in 0..tasks {
            tokens.push(self.prepare(flows).await);
        }
        let began = Instant::now();
        let run = |mut token| {
            let flows = flows.clone();
            tokio::spawn(async move {
                let mut count = 0_u32;
                while began.elapsed() < time {
                    token = self.run(&flows, token).await;
                    count += 1;
                    // The memory store never waits, and everybody shall have a turn.
                    tokio::task::yield_now().await;
                }
                f64::from(count)
            })
        };
        let mut done = 0.0;
        for task in tokens.into_iter().map(run).collect::<Vec<_>>() {
            done += task.await.unwrap();
        }
        done / began.elapsed().as_secs_f64()
    }
}
