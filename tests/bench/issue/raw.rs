//! The crypto library alone: what no program that makes keys and signatures can do without.

use std::hint::black_box;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use certgen::x509::KeyType;

/// An authority's key, and a message as long as what it signs.
pub(crate) struct Raw {
    pub(crate) pair: Pair,
    pub(crate) message: Vec<u8>,
}

pub(crate) enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Pair {
    pub(crate) fn generate(key_type: KeyType) -> Self {
        match key_type {
            KeyType::EcdsaP256 => Self::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()),
            KeyType::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate().unwrap()),
            _ => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        }
    }

    fn key_type(&self) -> KeyType {
        match self {
            Self::Ecdsa(_) => KeyType::EcdsaP256,
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::Rsa(_) => KeyType::Rsa2048,
        }
    }

    pub(crate) fn encode(&self) {
        match self {
            Self::Ecdsa(pair) => drop(black_box(pair.to_pkcs8v1().unwrap())),
            Self::Ed25519(pair) => drop(black_box(pair.to_pkcs8v1().unwrap())),
            Self::Rsa(pair) => drop::<Pkcs8V1Der<'_>>(black_box(pair.as_der().unwrap())),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) {
        match self {
            Self::Ecdsa(pair) => drop(black_box(pair.sign(&SystemRandom::new(), message).unwrap())),
            Self::Ed25519(pair) => drop(black_box(pair.sign(message))),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                black_box(signature);
            }
        }
    }
}

/// What becomes of the key besides.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Keep {
    Nothing,
    Pkcs8,
}

impl Raw {
    pub(crate) fn new(key_type: KeyType, length: usize) -> Self {
        Self { pair: Pair::generate(key_type), message: vec![0x5a; length] }
    }

    pub(crate) fn one(&self, keep: Keep) {
        let made = Pair::generate(self.pair.key_type());
        if keep == Keep::Pkcs8 {
            made.encode();
        }
        self.pair.sign(&self.message);
    }
}
