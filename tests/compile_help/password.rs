mod host;

use grantwell::grants::legacy::{Password, PasswordVerifier};
use grantwell::model::Client;
use grantwell::{Login, Secret, StorageError, async_trait};

struct NoPasswords;

#[async_trait]
impl PasswordVerifier for NoPasswords {
    async fn verify(&self, _: &str, _: &Secret, _: &Client) -> Result<Option<Login>, StorageError> {
        Ok(None)
    }
}

fn main() {
    let _ = host::over(host::BareStore).grant(Password::new(NoPasswords));
}
