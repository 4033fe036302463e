//! Fields beside `messages`.

use questline_whatsapp::webhook::field::account::{
    AccountAlert, AccountEvent, AccountReview, AccountUpdate, AlertInfo, AuthInternational, BanInfo, BanState, Capability, Certification,
    CountryStart, DisconnectionInfo, EntityType, Restriction, Security, SecurityEvent, Severity, ViolationInfo, VolumeTier, WabaInfo,
};
use questline_whatsapp::webhook::field::number::{Decision, NumberEvent, NumberName, NumberQuality, NumberUsername};
use questline_whatsapp::webhook::field::template::{
    DisableInfo, PauseInfo, PauseTitle, QualityScore, RejectionInfo, RejectionReason, TemplateCategory, TemplateComponentButton,
    TemplateComponents, TemplateEvent, TemplateQuality, TemplateStatus,
};
use questline_whatsapp::webhook::{Decoded, News, Part, Reason};

use crate::check::{ACCOUNT, Row, kept, news, notice};

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn template(event: TemplateEvent, reason: Option<RejectionReason>) -> TemplateStatus {
    TemplateStatus {
        event: Some(event),
        id: text("1689556908129832"),
        name: text("match_found_alert"),
        language: text("pt_BR"),
        reason,
        ..TemplateStatus::default()
    }
}

fn template_status(decoded: &Decoded, expected: TemplateStatus) {
    assert_eq!(news(decoded, "message_template_status_update"), News::TemplateStatus(expected));
}

fn template_quality(decoded: &Decoded, field: &str, previous: QualityScore, new: QualityScore) {
    let quality = TemplateQuality {
        id: text("1689556908129832"),
        name: text("match_found_alert"),
        language: text("pt_BR"),
        previous: Some(previous),
        new: Some(new),
    };
    assert_eq!(news(decoded, field), News::TemplateQuality(quality));
}

fn category() -> TemplateCategory {
    TemplateCategory {
        id: text("1689556908129832"),
        name: text("match_found_alert"),
        language: text("pt_BR"),
        ..TemplateCategory::default()
    }
}

fn account(decoded: &Decoded, event: AccountEvent, rest: AccountUpdate) {
    assert_eq!(news(decoded, "account_update"), News::Account(Box::new(AccountUpdate { event: Some(event), ..rest })));
}

fn owned() -> WabaInfo {
    WabaInfo { waba_id: text(ACCOUNT), owner_business_id: text("2329417887457253"), ..WabaInfo::default() }
}

fn about(waba_info: WabaInfo) -> AccountUpdate {
    AccountUpdate { waba_info: Some(waba_info), ..AccountUpdate::default() }
}

/// A field that has no typed form: kept as it came.
fn unknown(decoded: &Decoded, field: &str) {
    assert_eq!((notice(decoded).field.as_str(), &notice(decoded).summary), (field, &None));
    assert_eq!((decoded.stats.fields, decoded.stats.fields_unknown), (0, 1));
    assert!(serde_json::from_str::<serde_json::Value>(&notice(decoded).raw).unwrap().is_object());
}

const DISPLAY: &str = "15550100001";

pub(crate) const ROWS: &[Row] = &[
    ("field_template_approved", |d| {
        let status = template(TemplateEvent::Approved, Some(RejectionReason::None));
        template_status(d, TemplateStatus { category: text("UTILITY"), ..status });
    }),
    ("field_template_rejected", |d| {
        let rejection_info = RejectionInfo { reason: text("A variable stands at the end."), recommendation: text("Put words after it.") };
        let status = template(TemplateEvent::Rejected, Some(RejectionReason::InvalidFormat));
        template_status(d, TemplateStatus { rejection_info: Some(rejection_info), ..status });
    }),
    ("field_template_paused", |d| {
        let description = text("Your template has been paused for 3 hours because of low quality.");
        let other_info = PauseInfo { title: Some(PauseTitle::First), description };
        let status = template(TemplateEvent::Paused, None);
        template_status(d, TemplateStatus { other_info: Some(other_info), ..status });
    }),
    ("field_template_disabled", |d| {
        let other_info = Some(PauseInfo { title: Some(PauseTitle::Disabled), description: text("Third pause.") });
        let disable_info = Some(DisableInfo { disable_date: text("2026-10-01") });
        let status = template(TemplateEvent::Disabled, Some(RejectionReason::None));
        template_status(d, TemplateStatus { disable_info, other_info, ..status });
    }),
    ("field_template_flagged", |d| template_status(d, template(TemplateEvent::Flagged, Some(RejectionReason::None)))),
    ("field_template_event_of_tomorrow", |d| {
        let reason = Some(RejectionReason::Other("ALCHEMY".into()));
        template_status(d, template(TemplateEvent::Other("TRANSMUTED".into()), reason));
    }),
    ("field_template_quality", |d| {
        template_quality(d, "message_template_quality_update", QualityScore::Green, QualityScore::Yellow);
    }),
    ("field_template_quality_under_wrong_field", |d| {
        template_quality(d, "message_template_status_update", QualityScore::Yellow, QualityScore::Red);
    }),
    ("field_template_components", |d| {
        let button = TemplateComponentButton { kind: text("URL"), text: text("Open"), url: text("https://play.example/{{1}}") };
        let components = TemplateComponents {
            id: text("1689556908129832"),
            name: text("match_found_alert"),
            language: text("pt_BR"),
            header: text("Match found"),
            body: text("Hi {{1}}, your match starts at {{2}} today."),
            footer: text("Starfall"),
            buttons: vec![button],
        };
        assert_eq!(news(d, "message_template_components_update"), News::TemplateComponents(components));
    }),
    ("field_template_category_announced", |d| {
        let announced = TemplateCategory {
            new_category: text("UTILITY"),
            correct_category: text("MARKETING"),
            changes_at_s: Some(1_789_086_400),
            ..category()
        };
        assert_eq!(news(d, "template_category_update"), News::TemplateCategory(announced));
    }),
    ("field_template_category_changed", |d| {
        let changed = TemplateCategory { previous_category: text("UTILITY"), new_category: text("MARKETING"), ..category() };
        assert_eq!(news(d, "template_category_update"), News::TemplateCategory(changed));
    }),
    ("field_number_throughput", |d| {
        let quality = NumberQuality {
            display_phone_number: text(DISPLAY),
            event: Some(NumberEvent::ThroughputUpgrade),
            tier: text("TIER_UNLIMITED"),
            ..NumberQuality::default()
        };
        assert_eq!(news(d, "phone_number_quality_update"), News::NumberQuality(quality));
    }),
    ("field_number_quality_older", |d| {
        let quality = NumberQuality {
            display_phone_number: text(DISPLAY),
            event: Some(NumberEvent::Downgrade),
            old_limit: text("TIER_10K"),
            current_limit: text("TIER_2K"),
            tier: None,
        };
        assert_eq!(news(d, "phone_number_quality_update"), News::NumberQuality(quality));
    }),
    ("field_number_name", |d| {
        let name = NumberName {
            display_phone_number: text(DISPLAY),
            decision: Some(Decision::Rejected),
            requested_verified_name: text("Starfall"),
            rejection_reason: text("NAME_NOT_CONSISTENT"),
        };
        assert_eq!(news(d, "phone_number_name_update"), News::NumberName(name));
    }),
    ("field_number_username", |d| {
        let username = NumberUsername {
            display_phone_number: text(DISPLAY),
            decision: Some(Decision::Rejected),
            status: None,
            requested: text("starfall.game"),
            rejection_reasons: vec!["TAKEN".into(), "IMPERSONATION".into()],
        };
        assert_eq!(news(d, "phone_number_username_update"), News::NumberUsername(username));
    }),
    ("field_capability_tier", |d| {
        let capability = Capability { tier: text("TIER_100K"), max_phone_numbers_per_business: Some(20), ..Capability::default() };
        assert_eq!(news(d, "business_capability_update"), News::Capability(capability));
    }),
    ("field_capability_number", |d| {
        let capability =
            Capability { tier: text("2000"), daily_users_max: Some(-1), max_phone_numbers_per_waba: Some(25), ..Capability::default() };
        assert_eq!(news(d, "business_capability_update"), News::Capability(capability));
    }),
    ("field_account_deleted", |d| account(d, AccountEvent::Deleted, AccountUpdate::default())),
    ("field_account_restricted", |d| {
        let restriction = |kind: &str| Restriction { kind: text(kind), expires_at_s: Some(1_789_600_000) };
        let restriction_info = vec![restriction("RESTRICTED_BIZ_INITIATED_MESSAGING"), restriction("RESTRICTED_ADD_PHONE_NUMBER_ACTION")];
        account(d, AccountEvent::Restriction, AccountUpdate { restriction_info, ..AccountUpdate::default() });
    }),
    ("field_account_violation", |d| {
        let violation_info = Some(ViolationInfo { violation_type: text("ADULT") });
        account(d, AccountEvent::Violation, AccountUpdate { violation_info, ..AccountUpdate::default() });
    }),
    ("field_account_disabled", |d| {
        let ban_info = Some(BanInfo { state: Some(BanState::Scheduled), date: text("October 17, 2026") });
        account(d, AccountEvent::Disabled, AccountUpdate { ban_info, ..AccountUpdate::default() });
    }),
    ("field_account_partner_added", |d| {
        account(d, AccountEvent::PartnerAdded, about(WabaInfo { solution_id: text("1715120619246906"), ..owned() }));
    }),
    ("field_account_partner_removed", |d| {
        let disconnection_info = Some(DisconnectionInfo { reason: text("PRIMARY_INACTIVITY"), initiated_by: text("SYSTEM") });
        account(d, AccountEvent::PartnerRemoved, AccountUpdate { disconnection_info, ..about(owned()) });
    }),
    ("field_account_partner_app_installed", |d| {
        let info = WabaInfo { partner_app_id: text("5731794616896507"), ..owned() };
        account(d, AccountEvent::PartnerAppInstalled, about(info));
    }),
    ("field_account_partner_app_uninstalled", |d| {
        let info = WabaInfo { partner_app_id: text("5731794616896507"), ..owned() };
        account(d, AccountEvent::PartnerAppUninstalled, about(info));
    }),
    ("field_account_certification", |d| {
        let certification = Certification {
            client_business_id: text("2729063490586005"),
            status: text("FAILED"),
            rejection_reasons: vec!["ADDRESS_NOT_MATCHING".into()],
        };
        let rest = AccountUpdate { partner_client_certification_info: Some(certification), ..AccountUpdate::default() };
        account(d, AccountEvent::PartnerCertification, rest);
    }),
    ("field_account_auth_price", |d| {
        let eligibility = AuthInternational {
            starts_at_s: Some(1_789_780_624),
            exception_countries: vec![CountryStart { country_code: text("ID"), starts_at_s: Some(1_791_347_424) }],
        };
        let rest = AccountUpdate { auth_international_rate_eligibility: Some(eligibility), ..AccountUpdate::default() };
        account(d, AccountEvent::AuthInternationalPrice, rest);
    }),
    ("field_account_country", |d| {
        account(d, AccountEvent::PrimaryCountry, AccountUpdate { country: text("IN"), ..AccountUpdate::default() });
    }),
    ("field_account_volume_tier", |d| {
        let tier = VolumeTier {
            tier: text("25000001:50000000"),
            pricing_category: text("UTILITY"),
            region: text("India"),
            effective_month: text("2026-11"),
            reached_at_s: Some(1_789_451_903),
        };
        account(d, AccountEvent::VolumeTier, AccountUpdate { volume_tier_info: Some(tier), ..AccountUpdate::default() });
    }),
    ("field_account_marketing_terms", |d| account(d, AccountEvent::MarketingTermsSigned, about(owned()))),
    ("field_account_ad_account", |d| {
        let info = WabaInfo { ad_account_linked: text("980198427534243"), ..owned() };
        account(d, AccountEvent::AdAccountLinked, about(info));
    }),
    ("field_account_offboarded", |d| account(d, AccountEvent::Offboarded, AccountUpdate::default())),
    ("field_account_reconnected", |d| account(d, AccountEvent::Reconnected, AccountUpdate::default())),
    ("field_account_alert", |d| {
        let alert = AccountAlert {
            entity_type: Some(EntityType::Business),
            entity_id: text("506914307656634"),
            alert_info: Some(AlertInfo {
                severity: Some(Severity::Warning),
                status: text("ACTIVE"),
                kind: text("INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED"),
                description: text("Limits cannot be increased at this time."),
            }),
        };
        assert_eq!(news(d, "account_alerts"), News::AccountAlert(alert));
    }),
    ("field_account_review", |d| {
        let review = AccountReview { decision: Some(Decision::Rejected) };
        assert_eq!(news(d, "account_review_update"), News::AccountReview(review));
    }),
    ("field_security", |d| {
        let security = Security {
            display_phone_number: text(DISPLAY),
            event: Some(SecurityEvent::PinResetRequest),
            requester: text("61555822107539"),
        };
        assert_eq!(news(d, "security"), News::Security(security));
    }),
    ("field_of_wrong_shape", |d| kept(d, Part::Value, Reason::Unreadable)),
    ("field_history", |d| unknown(d, "history")),
    ("field_smb_message_echoes", |d| unknown(d, "smb_message_echoes")),
    ("field_smb_app_state_sync", |d| unknown(d, "smb_app_state_sync")),
    ("field_calls", |d| unknown(d, "calls")),
    ("field_flows", |d| unknown(d, "flows")),
    ("field_group_lifecycle", |d| unknown(d, "group_lifecycle_update")),
    ("field_partner_solutions", |d| unknown(d, "partner_solutions")),
    ("field_payment_configuration", |d| unknown(d, "payment_configuration_update")),
    ("field_automatic_events", |d| unknown(d, "automatic_events")),
];
