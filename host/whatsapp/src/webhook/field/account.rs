//! What Meta tells of the business account and its portfolio.

use serde::{Deserialize, Serialize};

use super::words;
use crate::lax;

words! {
    /// What became of the account (`account_update`).
    AccountEvent {
        /// It is gone.
        Deleted = "ACCOUNT_DELETED",
        /// It may do less for a while.
        Restriction = "ACCOUNT_RESTRICTION",
        /// It broke a policy.
        Violation = "ACCOUNT_VIOLATION",
        /// It was disabled, will be, or is no longer.
        Disabled = "DISABLED_UPDATE",
        /// A coexistence number left the API.
        Offboarded = "ACCOUNT_OFFBOARDED",
        /// A coexistence number came back to the API.
        Reconnected = "ACCOUNT_RECONNECTED",
        /// It was shared with a partner.
        PartnerAdded = "PARTNER_ADDED",
        /// It is no longer shared with a partner.
        PartnerRemoved = "PARTNER_REMOVED",
        /// A partner's app was installed.
        PartnerAppInstalled = "PARTNER_APP_INSTALLED",
        /// A partner's app was removed.
        PartnerAppUninstalled = "PARTNER_APP_UNINSTALLED",
        /// A partner's verification of the business was decided on.
        PartnerCertification = "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE",
        /// The authentication-international price applies from a date on.
        AuthInternationalPrice = "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE",
        /// The business's main country was set.
        PrimaryCountry = "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE",
        /// A volume tier of prices was reached.
        VolumeTier = "VOLUME_BASED_PRICING_TIER_UPDATE",
        /// The terms of the Marketing Messages API were signed.
        MarketingTermsSigned = "MM_LITE_TERMS_SIGNED",
        /// An ad account was linked.
        AdAccountLinked = "AD_ACCOUNT_LINKED",
    }
}

words! {
    /// Whether the account is banned.
    BanState {
        /// It is.
        Disable = "DISABLE",
        /// No longer.
        Reinstate = "REINSTATE",
        /// It will be.
        Scheduled = "SCHEDULE_FOR_DISABLE",
    }
}

words! {
    /// How grave an alert is.
    Severity {
        /// A refusal.
        Critical = "CRITICAL",
        /// Something may have to be done.
        Warning = "WARNING",
        /// Nothing has to be done.
        Informational = "INFORMATIONAL",
    }
}

words! {
    /// What an alert is about.
    EntityType {
        /// The portfolio.
        Business = "BUSINESS",
        /// A number.
        PhoneNumber = "PHONE_NUMBER",
        /// A number's profile.
        Profile = "CURRENT_STATUS_ID",
    }
}

/// The account was restricted, disabled, shared, ...
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountUpdate {
    /// What became of it.
    #[serde(deserialize_with = "AccountEvent::read", skip_serializing_if = "Option::is_none")]
    pub event: Option<AccountEvent>,
    /// The policy that was broken.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub violation_info: Option<ViolationInfo>,
    /// A ban.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub ban_info: Option<BanInfo>,
    /// What may no longer be done, and until when.
    #[serde(deserialize_with = "lax::list", skip_serializing_if = "Vec::is_empty")]
    pub restriction_info: Vec<Restriction>,
    /// Who owns the account, and which partner it is about.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub waba_info: Option<WabaInfo>,
    /// Why a number was disconnected.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub disconnection_info: Option<DisconnectionInfo>,
    /// A volume tier of prices.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub volume_tier_info: Option<VolumeTier>,
    /// From when the authentication-international price applies.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub auth_international_rate_eligibility: Option<AuthInternational>,
    /// The business's verification through a partner.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub partner_client_certification_info: Option<Certification>,
    /// The business's main country, ISO 3166-1 alpha-2.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The number it is about, as people write it.
    #[serde(alias = "phone_number", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub display_phone_number: Option<String>,
}

/// The policy that was broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViolationInfo {
    /// For instance `ADULT`.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub violation_type: Option<String>,
}

/// A ban.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BanInfo {
    /// Whether it holds.
    #[serde(alias = "waba_ban_state", deserialize_with = "BanState::read", skip_serializing_if = "Option::is_none")]
    pub state: Option<BanState>,
    /// As Meta writes it.
    #[serde(alias = "waba_ban_date", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// What may no longer be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restriction {
    /// For instance `RESTRICTED_BIZ_INITIATED_MESSAGING`.
    #[serde(alias = "restriction_type", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Until when, Unix seconds.
    #[serde(alias = "expiration", deserialize_with = "lax::int", skip_serializing_if = "Option::is_none")]
    pub expires_at_s: Option<i64>,
}

/// Who owns the account, and which partner it is about. All are Meta's ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WabaInfo {
    /// The account.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub waba_id: Option<String>,
    /// The portfolio that owns it.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub owner_business_id: Option<String>,
    /// The partner's app.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub partner_app_id: Option<String>,
    /// The partner's solution.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub solution_id: Option<String>,
    /// The linked ad account.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub ad_account_linked: Option<String>,
}

/// Why a number was disconnected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DisconnectionInfo {
    /// For instance `PRIMARY_INACTIVITY`.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For instance `SYSTEM`.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub initiated_by: Option<String>,
}

/// A volume tier of prices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeTier {
    /// For instance `25000001:50000000` messages.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// For instance `UTILITY`.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub pricing_category: Option<String>,
    /// Where.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// From which month on, for instance `2025-11`.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub effective_month: Option<String>,
    /// When it was reached, Unix seconds.
    #[serde(alias = "tier_update_time", deserialize_with = "lax::int", skip_serializing_if = "Option::is_none")]
    pub reached_at_s: Option<i64>,
}

/// From when the authentication-international price applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthInternational {
    /// Unix seconds.
    #[serde(alias = "start_time", deserialize_with = "lax::int", skip_serializing_if = "Option::is_none")]
    pub starts_at_s: Option<i64>,
    /// Countries with another date.
    #[serde(deserialize_with = "lax::list", skip_serializing_if = "Vec::is_empty")]
    pub exception_countries: Vec<CountryStart>,
}

/// A country with another date.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CountryStart {
    /// ISO 3166-1 alpha-2.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
    /// Unix seconds.
    #[serde(alias = "start_time", deserialize_with = "lax::int", skip_serializing_if = "Option::is_none")]
    pub starts_at_s: Option<i64>,
}

/// The business's verification through a partner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Certification {
    /// The business, by Meta's id.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub client_business_id: Option<String>,
    /// For instance `APPROVED`.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why not.
    #[serde(deserialize_with = "lax::shorts", skip_serializing_if = "Vec::is_empty")]
    pub rejection_reasons: Vec<String>,
}

/// A messaging limit or a count of numbers changed. Meta writes limits as tiers (`TIER_2K`) and as numbers; -1 is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capability {
    /// The portfolio's messaging limit: users per day outside of their service windows.
    #[serde(alias = "max_daily_conversations_per_business", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The same, in the older field.
    #[serde(alias = "max_daily_conversation_per_phone", deserialize_with = "lax::int", skip_serializing_if = "Option::is_none")]
    pub daily_users_max: Option<i64>,
    /// Numbers of the portfolio.
    #[serde(deserialize_with = "lax::int", skip_serializing_if = "Option::is_none")]
    pub max_phone_numbers_per_business: Option<i64>,
    /// Numbers of the account.
    #[serde(deserialize_with = "lax::int", skip_serializing_if = "Option::is_none")]
    pub max_phone_numbers_per_waba: Option<i64>,
}

/// Meta warns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountAlert {
    /// What it is about.
    #[serde(deserialize_with = "EntityType::read", skip_serializing_if = "Option::is_none")]
    pub entity_type: Option<EntityType>,
    /// Which, by Meta's id.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<String>,
    /// The alert.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub alert_info: Option<AlertInfo>,
}

/// An alert.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertInfo {
    /// How grave.
    #[serde(alias = "alert_severity", deserialize_with = "Severity::read", skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// For instance `ACTIVE`.
    #[serde(alias = "alert_status", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// For instance `OBA_REJECTED`.
    #[serde(alias = "alert_type", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// In Meta's words.
    #[serde(alias = "alert_description", deserialize_with = "lax::long", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Meta reviewed the account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountReview {
    /// The decision.
    #[serde(deserialize_with = "super::number::Decision::read", skip_serializing_if = "Option::is_none")]
    pub decision: Option<super::number::Decision>,
}

words! {
    /// What was done to a number's PIN.
    SecurityEvent {
        /// It was set or changed.
        PinChanged = "PIN_CHANGED",
        /// Somebody asked to turn it off.
        PinResetRequest = "PIN_RESET_REQUEST",
        /// It was turned off.
        PinResetSuccess = "PIN_RESET_SUCCESS",
        /// It was turned off, as Meta's reference writes it.
        PinRequestSuccess = "PIN_REQUEST_SUCCESS",
    }
}

/// A number's PIN was touched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// The number as people write it.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub display_phone_number: Option<String>,
    /// What was done.
    #[serde(deserialize_with = "SecurityEvent::read", skip_serializing_if = "Option::is_none")]
    pub event: Option<SecurityEvent>,
    /// Who asked, by Meta's id.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
}
