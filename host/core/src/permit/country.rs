//! Time zones of countries, for players of whom no better is known. Where a country has several, the ones at its edges: what
//! is day in all of them is day everywhere in it (IANA time zone database, `zone1970.tab`).

/// By ISO 3166-1 alpha-2, and by calling codes that countries share, sorted.
const ZONES: &[(&str, &[&str])] = &[
    ("+1", &["Pacific/Honolulu", "America/St_Johns"]),
    ("+7", &["Europe/Kaliningrad", "Asia/Kamchatka"]),
    ("AE", &["Asia/Dubai"]),
    ("AR", &["America/Argentina/Buenos_Aires"]),
    ("AT", &["Europe/Vienna"]),
    ("AU", &["Australia/Perth", "Australia/Sydney"]),
    ("BD", &["Asia/Dhaka"]),
    ("BE", &["Europe/Brussels"]),
    ("BG", &["Europe/Sofia"]),
    ("BH", &["Asia/Qatar"]),
    ("BO", &["America/La_Paz"]),
    ("BR", &["America/Rio_Branco", "America/Sao_Paulo"]),
    ("CA", &["America/Vancouver", "America/St_Johns"]),
    ("CH", &["Europe/Zurich"]),
    ("CL", &["America/Santiago"]),
    ("CN", &["Asia/Shanghai"]),
    ("CO", &["America/Bogota"]),
    ("CR", &["America/Costa_Rica"]),
    ("CZ", &["Europe/Prague"]),
    ("DE", &["Europe/Berlin"]),
    ("DK", &["Europe/Copenhagen"]),
    ("DO", &["America/Santo_Domingo"]),
    ("DZ", &["Africa/Algiers"]),
    ("EC", &["America/Guayaquil"]),
    ("EE", &["Europe/Tallinn"]),
    ("EG", &["Africa/Cairo"]),
    ("ES", &["Atlantic/Canary", "Europe/Madrid"]),
    ("FI", &["Europe/Helsinki"]),
    ("FR", &["Europe/Paris"]),
    ("GB", &["Europe/London"]),
    ("GH", &["Africa/Accra"]),
    ("GR", &["Europe/Athens"]),
    ("GT", &["America/Guatemala"]),
    ("HK", &["Asia/Hong_Kong"]),
    ("HR", &["Europe/Zagreb"]),
    ("HU", &["Europe/Budapest"]),
    ("ID", &["Asia/Jakarta", "Asia/Jayapura"]),
    ("IE", &["Europe/Dublin"]),
    ("IL", &["Asia/Jerusalem"]),
    ("IN", &["Asia/Kolkata"]),
    ("IQ", &["Asia/Baghdad"]),
    ("IR", &["Asia/Tehran"]),
    ("IT", &["Europe/Rome"]),
    ("JO", &["Asia/Amman"]),
    ("JP", &["Asia/Tokyo"]),
    ("KE", &["Africa/Nairobi"]),
    ("KH", &["Asia/Phnom_Penh"]),
    ("KR", &["Asia/Seoul"]),
    ("KW", &["Asia/Kuwait"]),
    ("KZ", &["Asia/Almaty"]),
    ("LB", &["Asia/Beirut"]),
    ("LK", &["Asia/Colombo"]),
    ("LT", &["Europe/Vilnius"]),
    ("LV", &["Europe/Riga"]),
    ("MA", &["Africa/Casablanca"]),
    ("MX", &["America/Tijuana", "America/Cancun"]),
    ("MY", &["Asia/Kuala_Lumpur"]),
    ("NG", &["Africa/Lagos"]),
    ("NL", &["Europe/Amsterdam"]),
    ("NO", &["Europe/Oslo"]),
    ("NP", &["Asia/Kathmandu"]),
    ("NZ", &["Pacific/Auckland"]),
    ("OM", &["Asia/Muscat"]),
    ("PA", &["America/Panama"]),
    ("PE", &["America/Lima"]),
    ("PH", &["Asia/Manila"]),
    ("PK", &["Asia/Karachi"]),
    ("PL", &["Europe/Warsaw"]),
    ("PT", &["Atlantic/Azores", "Europe/Lisbon"]),
    ("PY", &["America/Asuncion"]),
    ("QA", &["Asia/Qatar"]),
    ("RO", &["Europe/Bucharest"]),
    ("RS", &["Europe/Belgrade"]),
    ("RU", &["Europe/Kaliningrad", "Asia/Kamchatka"]),
    ("SA", &["Asia/Riyadh"]),
    ("SE", &["Europe/Stockholm"]),
    ("SG", &["Asia/Singapore"]),
    ("SI", &["Europe/Ljubljana"]),
    ("SK", &["Europe/Bratislava"]),
    ("SN", &["Africa/Dakar"]),
    ("TH", &["Asia/Bangkok"]),
    ("TN", &["Africa/Tunis"]),
    ("TR", &["Europe/Istanbul"]),
    ("TW", &["Asia/Taipei"]),
    ("TZ", &["Africa/Dar_es_Salaam"]),
    ("UA", &["Europe/Kyiv"]),
    ("UG", &["Africa/Kampala"]),
    ("US", &["Pacific/Honolulu", "America/New_York"]),
    ("UY", &["America/Montevideo"]),
    ("VE", &["America/Caracas"]),
    ("VN", &["Asia/Ho_Chi_Minh"]),
    ("ZA", &["Africa/Johannesburg"]),
    ("ZM", &["Africa/Lusaka"]),
    ("ZW", &["Africa/Harare"]),
];

/// The zones at a country's edges; none for a country that is not in the list.
pub fn zones_of(country: &str) -> Option<&'static [&'static str]> {
    let place = ZONES.binary_search_by(|(known, _)| (*known).cmp(country)).ok()?;
    ZONES.get(place).map(|(_, zones)| *zones)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_list_is_sorted_and_every_zone_is_known() {
        assert!(ZONES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (country, zones) in ZONES {
            assert_eq!(zones_of(country), Some(*zones));
            assert!(!zones.is_empty());
            for zone in *zones {
                assert!(super::super::hours::is_zone(zone), "{country}: {zone}");
            }
        }
        assert_eq!((zones_of("XX"), zones_of("de"), zones_of("")), (None, None, None));
    }
}
