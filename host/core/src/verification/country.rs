//! Which country a contact is counted under: a closed list of names, so that nobody who is asked to be counted can make one up.

use crate::contact::Contact;

use super::guard::dial_code;

/// Country calling codes that one country alone has, by the ITU's list of assigned codes (E.164), with their ISO 3166-1 alpha-2.
const COUNTRIES: &str = "\
20EG 27ZA 30GR 31NL 32BE 33FR 34ES 36HU 39IT 40RO 41CH 43AT 45DK 46SE 47NO 48PL 49DE 51PE 52MX 53CU 54AR 55BR 56CL 57CO 58VE 60MY \
61AU 62ID 63PH 64NZ 65SG 66TH 81JP 82KR 84VN 86CN 90TR 91IN 92PK 93AF 94LK 95MM 98IR 211SS 213DZ 216TN 218LY 220GM 221SN 222MR \
223ML 224GN 225CI 226BF 227NE 228TG 229BJ 230MU 231LR 232SL 233GH 234NG 235TD 236CF 237CM 238CV 239ST 240GQ 241GA 242CG 243CD \
244AO 245GW 246IO 248SC 249SD 250RW 251ET 252SO 253DJ 254KE 255TZ 256UG 257BI 258MZ 260ZM 261MG 263ZW 264NA 265MW 266LS 267BW \
268SZ 269KM 291ER 297AW 298FO 299GL 350GI 351PT 352LU 353IE 354IS 355AL 356MT 357CY 359BG 370LT 371LV 372EE 373MD 374AM 375BY \
376AD 377MC 378SM 380UA 381RS 382ME 383XK 385HR 386SI 387BA 389MK 420CZ 421SK 423LI 500FK 501BZ 502GT 503SV 504HN 505NI 506CR \
507PA 508PM 509HT 591BO 592GY 593EC 594GF 595PY 596MQ 597SR 598UY 670TL 673BN 674NR 675PG 676TO 677SB 678VU 679FJ 680PW 681WF \
682CK 683NU 685WS 686KI 687NC 688TV 689PF 690TK 691FM 692MH 850KP 852HK 853MO 855KH 856LA 880BD 886TW 960MV 961LB 962JO 963SY \
964IQ 965KW 966SA 967YE 968OM 970PS 971AE 972IL 973BH 974QA 975BT 976MN 977NP 992TJ 993TM 994AZ 995GE 996KG 998UZ";

/// Codes that several countries share: they are counted under the code.
const SHARED: [&str; 10] = ["+1", "+7", "+44", "+212", "+262", "+290", "+358", "+590", "+599", "+672"];

/// Of those that share a code, the ones that a business-scoped user id may name.
const SHARING: [&str; 14] = ["US", "CA", "PR", "DO", "JM", "TT", "RU", "KZ", "GB", "MA", "RE", "FI", "GP", "CW"];

/// Where all others are counted.
pub const OTHER: &str = "other";

/// All names under which a contact may be counted.
pub fn countries() -> impl Iterator<Item = &'static str> {
    COUNTRIES.split(' ').map(iso).chain(SHARED).chain(SHARING).chain([OTHER])
}

fn iso(entry: &'static str) -> &'static str {
    entry.trim_start_matches(|c: char| c.is_ascii_digit())
}

/// Under which name a contact is counted: its country where that is clear, else the calling code that several share with a
/// plus in front, else [`OTHER`].
pub fn country_of(contact: &Contact) -> &'static str {
    let found = match (contact.phone(), contact.bsuid()) {
        (Some(phone), _) => {
            let code = dial_code(phone);
            let of_code = |entry: &&'static str| entry.strip_prefix(code).is_some_and(|rest| rest.len() == 2);
            COUNTRIES.split(' ').find(of_code).map(iso).or_else(|| SHARED.into_iter().find(|shared| shared[1..] == *code))
        }
        (None, Some(bsuid)) => countries().find(|known| *known == bsuid.country()),
        (None, None) => None,
    };
    found.unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::contact::{Bsuid, PhoneNumber};
    use proptest::prelude::*;

    fn phone(digits: &str) -> &'static str {
        country_of(&Contact::new(PhoneNumber::parse(digits).ok(), None).unwrap())
    }

    #[test]
    fn a_number_is_counted_under_its_country_or_under_the_code_it_shares() {
        let cases = [
            ("4915550100002", "DE"),
            ("3581234567", "+358"),
            ("15550111", "+1"),
            ("447700900123", "+44"),
            ("77001234567", "+7"),
            ("971501234567", "AE"),
            ("93701234567", "AF"),
            ("9981234567", "UZ"),
            ("2101234567", OTHER),
            ("8881234567", OTHER),
        ];
        for (digits, country) in cases {
            assert_eq!(phone(digits), country, "{digits}");
        }
        let bsuid = |text: &str| country_of(&Contact::new(None, Bsuid::parse(text).ok()).unwrap());
        assert_eq!((bsuid("US.123"), bsuid("DE.123"), bsuid("ZZ.123")), ("US", "DE", OTHER));
    }

    #[test]
    fn there_are_no_more_names_than_may_be_labels() {
        let all: Vec<_> = countries().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "each once");
        assert!((200..=250).contains(&all.len()), "{}", all.len());
        assert!(
            all.iter()
                .all(|name| *name == OTHER || name.starts_with('+') || (name.len() == 2 && name.bytes().all(|b| b.is_ascii_uppercase())))
        );
    }

    proptest! {
        #[test]
        fn no_number_makes_up_a_name(digits in "[0-9]{5,15}") {
            prop_assert!(countries().any(|known| known == phone(&digits)));
        }
    }
}
