use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, RsaParameters, RsaSignatureEncoding,
};
use serde::{Deserialize, Serialize};

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1). There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the registry's")]
#[non_exhaustive]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
    HS256,
    HS384,
    HS512,
}

/// What an algorithm's keys are, and what the library beneath calls the algorithm.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Rsa { verification: &'static RsaParameters, signing: &'static RsaSignatureEncoding },
    Ecdsa(&'static Curve),
    Ed25519,
    Hmac(hmac::Algorithm),
}

/// An elliptic curve (RFC 7518 section 6.2.1.1) and the algorithm that goes with it (section 3.4).
pub(super) struct Curve {
    /// `crv`.
    pub(super) name: &'static str,
    /// The length of a coordinate, in bytes.
    pub(super) coordinate: usize,
    pub(super) verification: &'static EcdsaVerificationAlgorithm,
    pub(super) signing: &'static EcdsaSigningAlgorithm,
}

static P256: Curve = Curve {
    name: "P-256",
    coordinate: 32,
    verification: &signature::ECDSA_P256_SHA256_FIXED,
    signing: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
};
static P384: Curve = Curve {
    name: "P-384",
    coordinate: 48,
    verification: &signature::ECDSA_P384_SHA384_FIXED,
    signing: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
};
static P521: Curve = Curve {
    name: "P-521",
    coordinate: 66,
    verification: &signature::ECDSA_P521_SHA512_FIXED,
    signing: &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
};

impl Curve {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        [&P256, &P384, &P521].into_iter().find(|curve| curve.name == name)
    }
}

impl Algorithm {
    /// Those whose verification key may be published.
    pub const ASYMMETRIC: [Self; 10] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
    ];

    /// Those whose one key both makes and checks a MAC.
    pub(super) const SYMMETRIC: [Self; 3] = [Self::HS256, Self::HS384, Self::HS512];

    /// The one table: the name in `alg`, and the kind.
    const fn row(self) -> (&'static str, Kind) {
        use signature as s;
        match self {
            Self::RS256 => ("RS256", rsa(&s::RSA_PKCS1_2048_8192_SHA256, &s::RSA_PKCS1_SHA256)),
            Self::RS384 => ("RS384", rsa(&s::RSA_PKCS1_2048_8192_SHA384, &s::RSA_PKCS1_SHA384)),
            Self::RS512 => ("RS512", rsa(&s::RSA_PKCS1_2048_8192_SHA512, &s::RSA_PKCS1_SHA512)),
            Self::PS256 => ("PS256", rsa(&s::RSA_PSS_2048_8192_SHA256, &s::RSA_PSS_SHA256)),
            Self::PS384 => ("PS384", rsa(&s::RSA_PSS_2048_8192_SHA384, &s::RSA_PSS_SHA384)),
            Self::PS512 => ("PS512", rsa(&s::RSA_PSS_2048_8192_SHA512, &s::RSA_PSS_SHA512)),
            Self::ES256 => ("ES256", Kind::Ecdsa(&P256)),
            Self::ES384 => ("ES384", Kind::Ecdsa(&P384)),
            Self::ES512 => ("ES512", Kind::Ecdsa(&P521)),
            Self::EdDSA => ("EdDSA", Kind::Ed25519),
            Self::HS256 => ("HS256", Kind::Hmac(hmac::HMAC_SHA256)),
            Self::HS384 => ("HS384", Kind::Hmac(hmac::HMAC_SHA384)),
            Self::HS512 => ("HS512", Kind::Hmac(hmac::HMAC_SHA512)),
        }
    }

    /// The name in `alg`.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The algorithm of that name; names are case-sensitive. `Ed25519` (RFC 9864 section 2.2) is what `EdDSA` stands for
    /// here.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDSA);
        }
        Self::ASYMMETRIC.into_iter().chain(Self::SYMMETRIC).find(|algorithm| algorithm.as_str() == name)
    }

    /// Whether whoever verifies could also sign (HS256, HS384, HS512).
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    pub(super) fn kind(self) -> Kind {
        self.row().1
    }
}

const fn rsa(verification: &'static RsaParameters, signing: &'static RsaSignatureEncoding) -> Kind {
    Kind::Rsa { verification, signing }
}
