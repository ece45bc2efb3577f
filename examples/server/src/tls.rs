//! TLS: the server's certificate, and the handshake that begins a connection.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::secret_file;

/// How long a client may take over the handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// The files that the server proves itself with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate and behind it those that lead to a root, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM (PKCS#8, SEC 1 or PKCS#1). The file is its owner's alone.
    pub key: PathBuf,
}

/// Why a server cannot prove itself with a file. One line, and nothing of what the file says.
#[derive(Debug, thiserror::Error)]
#[error("the TLS file {}: {reason}", path.display())]
pub struct TlsError {
    path: PathBuf,
    reason: String,
}

/// What takes the server's part in handshakes; the clones share its sessions.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    pub(crate) fn new(files: &TlsFiles) -> Result<Self, TlsError> {
        let (chain, key) = (chain(&files.certificate)?, key(&files.key)?);
        let versions = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions();
        let config = versions.and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| match error {
            Error::InvalidCertificate(_) => refused(&files.certificate, "the first certificate cannot be read"),
            Error::InconsistentKeys(_) => refused(&files.key, "this is not the key of the certificate"),
            _ => refused(&files.key, "TLS has no use for a key like this"),
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(crate) async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        timeout(HANDSHAKE_WITHIN, self.0.accept(stream)).await?
    }
}

fn refused(path: &Path, reason: impl ToString) -> TlsError {
    TlsError { path: path.to_owned(), reason: reason.to_string() }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = fs::read(path).map_err(|error| refused(path, error))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().unwrap_or_default();
    if chain.is_empty() { Err(refused(path, "there is no certificate in PEM")) } else { Ok(chain) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = secret_file::read(path).map_err(|error| refused(path, error))?;
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| refused(path, "there is no private key in PEM, or it is encrypted"))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use rcgen::{CertifiedKey, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, SignatureAlgorithm};
    use tempfile::TempDir;

    use super::*;

    /// A certificate and its key, as DER (PKCS#8).
    fn identity(algorithm: &'static SignatureAlgorithm) -> (String, Vec<u8>) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_der())
    }

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    /// The key in its older form, which is the first octet string of PKCS#8.
    fn older_form(pkcs8: &[u8]) -> &[u8] {
        let mut rest = body(pkcs8).0;
        while rest[0] != 0x04 {
            rest = body(rest).1;
        }
        body(rest).0
    }

    /// A DER element's contents, and what is behind it.
    fn body(der: &[u8]) -> (&[u8], &[u8]) {
        let (length, head) = match der[1] {
            long @ 0x81.. => {
                let end = 2 + usize::from(long - 0x80);
                (der[2..end].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), end)
            }
            short => (usize::from(short), 2),
        };
        der[head..].split_at(length)
    }

    /// Writes the files, and opens them.
    fn open(folder: &TempDir, certificate: &str, key: &str) -> Result<(), String> {
        let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        fs::set_permissions(&files.key, Permissions::from_mode(0o600)).unwrap();
        let error = Tls::new(&files).err().map(|error| error.to_string());
        error.map_or(Ok(()), |error| Err(error.replace(folder.path().to_str().unwrap(), "")))
    }

    #[test]
    fn a_key_may_have_each_of_its_forms() {
        let folder = tempfile::tempdir().unwrap();
        for (algorithm, older) in [
            (&PKCS_ECDSA_P256_SHA256, Some("EC PRIVATE KEY")),
            (&PKCS_RSA_SHA256, Some("RSA PRIVATE KEY")),
            (&PKCS_ED25519, None),
        ] {
            let (certificate, key) = identity(algorithm);
            assert_eq!(open(&folder, &certificate, &pem("PRIVATE KEY", &key)), Ok(()), "{algorithm:?}");
            if let Some(label) = older {
                assert_eq!(open(&folder, &certificate, &pem(label, older_form(&key))), Ok(()), "{label}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = identity(&PKCS_ECDSA_P256_SHA256);
        let (other, _) = identity(&PKCS_ECDSA_P256_SHA256);
        let key = pem("PRIVATE KEY", &key);
        let no_certificate = "the TLS file /cert.pem: there is no certificate in PEM";
        let no_key = "the TLS file /key.pem: there is no private key in PEM, or it is encrypted";
        for (certificate, key, expected) in [
            ("", &*key, no_certificate),
            (&key, &key, no_certificate),
            (&format!("{certificate}-----BEGIN CERTIFICATE-----\n"), &key, no_certificate),
            (&pem("CERTIFICATE", b"c"), &key, "the TLS file /cert.pem: the first certificate cannot be read"),
            (&certificate, "", no_key),
            (&certificate, &certificate, no_key),
            (&certificate, &key.replace("PRIVATE", "ENCRYPTED PRIVATE"), no_key),
            (&certificate, &pem("PRIVATE KEY", b"k"), "the TLS file /key.pem: TLS has no use for a key like this"),
            (&other, &key, "the TLS file /key.pem: this is not the key of the certificate"),
        ] {
            assert_eq!(open(&folder, certificate, key), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        open(&folder, &cert.pem(), &signing_key.serialize_pem()).unwrap();
        let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        for (mode, is_taken) in [(0o640, false), (0o604, false), (0o400, true)] {
            fs::set_permissions(&files.key, Permissions::from_mode(mode)).unwrap();
            let outcome = Tls::new(&files).map(|_| ()).map_err(|error| error.to_string());
            let key = files.key.display();
            let refused = format!("the TLS file {key}: it is open to others: chmod 600 {key}");
            assert_eq!(outcome, if is_taken { Ok(()) } else { Err(refused) }, "{mode:o}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing.pem");
        let error = Tls::new(&TlsFiles { certificate: path.clone(), key: path.clone() }).err().unwrap().to_string();
        assert!(error.starts_with(&format!("the TLS file {}: No such file", path.display())), "{error}");
    }
}
