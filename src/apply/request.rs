//! From an entry of the manifest to what an issuer is asked: subject, names, dates, usages.

use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::issuer::PreparedRequest;
use crate::lint::Purpose;
use crate::manifest::{Authority, Entry};
use crate::plan;
use crate::profile::Role;
use crate::ui;
use crate::x509::{BasicConstraints, Certificate, Csr, KeyType, KeyUsage, PublicKey, PublicKeyAlgorithm, Validity};

/// Dates that were asked for by name, instead of a length of time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dates {
    /// `--not-before`
    pub not_before: Option<OffsetDateTime>,
    /// `--not-after`
    pub not_after: Option<OffsetDateTime>,
}

/// What happened to the dates on the way, for the user to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateNote {
    /// The default validity was shortened to the issuer's.
    Clipped {
        /// When the issuer's certificate ends, and so the new one.
        not_after: OffsetDateTime,
    },
    /// An explicit beginning in the past.
    BeginsInThePast,
    /// An explicit beginning before the issuer's own.
    BeginsBeforeIssuer,
    /// The certificate has expired already when it is made.
    ExpiredAtBirth,
}

/// The request for an end entity.
///
/// # Errors
/// Dates that its issuer cannot vouch for.
pub(super) fn end_entity(
    entry: &Entry,
    public_key: PublicKey,
    csr: Option<Csr>,
    issuer: &Certificate,
    dates: Dates,
    now: OffsetDateTime,
) -> Result<(PreparedRequest, Vec<DateNote>)> {
    let (validity, notes) = validity(entry, issuer, dates, now)
        .map_err(|e| e.context(format!("{} {} was not issued", entry.role, ui::quote(&entry.name))))?;
    let request = PreparedRequest {
        purpose: purpose(entry.role),
        subject: entry.full_subject()?,
        subject_alt_names: entry.san.clone(),
        validity,
        key_usage: key_usage(entry.role, &public_key),
        extended_key_usage: entry.role.extended_key_usage(),
        basic_constraints: BasicConstraints { ca: false, path_length: None },
        name_constraints: None,
        public_key,
        csr,
    };
    Ok((request, notes))
}

/// The request for an authority; `issuer` is `None` for a root.
///
/// # Errors
/// Dates that its issuer cannot vouch for, or a name that does not fit.
pub(super) fn authority(
    authority: &Authority,
    public_key: PublicKey,
    csr: Option<Csr>,
    issuer: Option<&Certificate>,
    dates: Dates,
    now: OffsetDateTime,
) -> Result<(PreparedRequest, Vec<DateNote>)> {
    let wanted = Wanted { validity: authority.validity, is_default: authority.validity_is_default };
    let (validity, notes) = dates_between(wanted, issuer, dates, now)
        .map_err(|e| e.context(format!("authority {} was not issued", ui::quote(&authority.name))))?;
    let request = PreparedRequest {
        purpose: if issuer.is_some() { Purpose::IntermediateAuthority } else { Purpose::RootAuthority },
        subject: authority.full_subject(&public_key)?,
        subject_alt_names: Vec::new(),
        validity,
        key_usage: KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN,
        // OTP 27.1.3 and later refuse an authority whose extended key usage and key usage disagree.
        extended_key_usage: Vec::new(),
        basic_constraints: BasicConstraints { ca: true, path_length: authority.path_length.map(u32::from) },
        name_constraints: authority.name_constraints.clone(),
        public_key,
        csr,
    };
    Ok((request, notes))
}

/// The key usage of a role for this key; a key of a type that is not ours can only sign.
fn key_usage(role: Role, key: &PublicKey) -> KeyUsage {
    let kind = match key.algorithm() {
        PublicKeyAlgorithm::Rsa => KeyType::Rsa2048,
        _ => KeyType::EcdsaP256,
    };
    role.key_usage(key.key_type().unwrap_or(kind))
}

/// What a lint has to know about a role.
pub(super) fn purpose(role: Role) -> Purpose {
    match role {
        Role::Server => Purpose::Server,
        Role::Node => Purpose::Node,
        Role::Client => Purpose::Client,
    }
}

#[derive(Clone, Copy)]
struct Wanted {
    validity: crate::x509::Duration,
    is_default: bool,
}

fn validity(
    entry: &Entry,
    issuer: &Certificate,
    dates: Dates,
    now: OffsetDateTime,
) -> Result<(Validity, Vec<DateNote>)> {
    let wanted = Wanted { validity: entry.validity, is_default: entry.validity_is_default };
    dates_between(wanted, Some(issuer), dates, now)
}

/// Chooses the dates and checks them against the issuer's.
fn dates_between(
    wanted: Wanted,
    issuer: Option<&Certificate>,
    dates: Dates,
    now: OffsetDateTime,
) -> Result<(Validity, Vec<DateNote>)> {
    let mut notes = Vec::new();
    let bounds = issuer.map(|issuer| *issuer.validity());
    if let (Some(bounds), None) = (bounds, dates.not_before) {
        issuer_is_current(bounds, now)?;
    }
    let not_before = match (dates.not_before, bounds) {
        (Some(asked), bounds) => {
            if asked < now {
                notes.push(DateNote::BeginsInThePast);
            }
            if bounds.is_some_and(|b| asked < b.not_before) {
                notes.push(DateNote::BeginsBeforeIssuer);
            }
            asked
        }
        (None, Some(bounds)) => backdated(now)?.max(bounds.not_before),
        (None, None) => backdated(now)?,
    };
    let counted_from = dates.not_before.unwrap_or(now);
    let mut not_after = match dates.not_after {
        Some(asked) => asked,
        None => wanted.validity.checked_add_to(counted_from)?,
    };
    if let Some(bounds) = bounds.filter(|b| not_after > b.not_after) {
        if dates.not_after.is_some() || !wanted.is_default {
            return Err(Error::failed(format!(
                "it would end on {} and its issuer ends before that, on {}",
                ui::date(not_after),
                ui::date(bounds.not_after)
            ))
            .hint(match dates.not_after {
                Some(_) => "ask for an earlier --not-after, or leave it out: the default is shortened to the issuer's",
                None => "ask for less with --validity, or leave it out: the default is shortened to the issuer's",
            }));
        }
        not_after = bounds.not_after;
        notes.push(DateNote::Clipped { not_after });
    }
    if not_after <= not_before {
        return Err(Error::failed(format!(
            "it would end ({}) before it begins ({})",
            ui::date(not_after),
            ui::date(not_before)
        )));
    }
    if not_after <= now {
        notes.push(DateNote::ExpiredAtBirth);
    }
    Ok((Validity::new(not_before, not_after)?, notes))
}

/// Judges the dates of one identity of many, before any of them is signed. Nobody reads a note for each of thousands, so an
/// end that would be shortened is an error here.
///
/// # Errors
/// Dates that the issuer cannot vouch for, or an end that would be clipped.
pub(crate) fn bulk_dates(
    entry: &Entry,
    issuer: &Certificate,
    dates: Dates,
    now: OffsetDateTime,
) -> Result<Vec<DateNote>> {
    let (_, notes) = validity(entry, issuer, dates, now)?;
    match notes.iter().find_map(|note| if let DateNote::Clipped { not_after } = note { Some(*not_after) } else { None })
    {
        Some(end) => {
            Err(Error::failed(format!("it would outlive its issuer, which ends on {}", ui::date(end))).hint(format!(
                "ask for less with --validity, or replace the issuer: certgen rotate start {}",
                ui::shell(&entry.issuer)
            )))
        }
        None => Ok(notes),
    }
}

fn issuer_is_current(bounds: Validity, now: OffsetDateTime) -> Result<()> {
    if now > bounds.not_after {
        return Err(Error::failed(format!("its issuer expired on {}", ui::date(bounds.not_after)))
            .hint("put another in its place with certgen rotate start AUTHORITY"));
    }
    if now < bounds.not_before {
        return Err(Error::failed(format!(
            "its issuer is valid from {} on, and the clock says {}",
            ui::date(bounds.not_before),
            ui::date(now)
        ))
        .hint("set the machine's clock, or give the right time with --at TIME"));
    }
    Ok(())
}

fn backdated(now: OffsetDateTime) -> Result<OffsetDateTime> {
    now.checked_sub(plan::BACKDATED).ok_or_else(|| Error::failed("the clock is at the beginning of time"))
}
