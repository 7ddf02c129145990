//! Scalars with a unit: times, sizes, shares, statuses.

use super::{Scalar, Wrong, digits, shortened, whole};
use crate::model::{Bounds, Retries};
use serde_json::{Value, json};
use std::time::Duration;

/// A time that is waited for at most; never zero, which elsewhere means now one thing and now another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time(pub Duration);

/// The longest time: a year. Longer ones are mistakes, and would overflow when added to a clock.
const TIME_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Scalar for Time {
    const EXPECTED: &'static str = "a duration such as 500ms, 10s, 2m, 1h or 1d";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        match duration(text)? {
            Duration::ZERO => Err(Wrong::because("a time of zero")),
            time => Ok(Time(time)),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^0*[1-9][0-9]*(ms|s|m|h|d)$" })
    }
}

/// Reads a time.
fn duration(text: &str) -> Result<Duration, Wrong> {
    let (number, unit) = number_and_unit(text);
    let count: u64 = digits(number).filter(|_| !number.is_empty()).ok_or_else(Wrong::default)?;
    let scale = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        "" => return Err(Wrong::help(format!("write the unit: {number}s for seconds"))),
        _ => return Err(Wrong::help("units are ms, s, m, h and d")),
    };
    let time = Duration::from_millis(count.saturating_mul(scale));
    if time > TIME_MAX { Err(Wrong::because("longer than a year")) } else { Ok(time) }
}

/// A time that may be zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause(pub Duration);

impl Scalar for Pause {
    const EXPECTED: &'static str = "a duration such as 0s, 500ms, 10s or 2m";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        duration(text).map(Pause)
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
    }
}

/// A time that may be unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeOrNone(pub Option<Duration>);

impl Scalar for TimeOrNone {
    const EXPECTED: &'static str = "a duration such as 30s or 5m, or none";

    fn parse(text: &str, plain: bool) -> Result<Self, Wrong> {
        match text {
            "none" => Ok(TimeOrNone(None)),
            _ => Time::parse(text, plain).map(|time| TimeOrNone(Some(time.0))),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(0*[1-9][0-9]*(ms|s|m|h|d)|none)$" })
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl Scalar for Bytes {
    const EXPECTED: &'static str = "a size such as 512b, 32k, 1m or 1g";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        let (number, unit) = number_and_unit(text);
        let count: u64 = digits(number).filter(|_| !number.is_empty()).ok_or_else(Wrong::default)?;
        let scale = match unit {
            "b" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "" if count == 0 => 0,
            "" => {
                return Err(Wrong::help(format!(
                    "write the unit: {number}k for kibibytes, {number}b for bytes"
                )));
            }
            _ => return Err(Wrong::help("units are b, k, m and g, each 1024 times the one before")),
        };
        match count.checked_mul(1 << scale) {
            Some(bytes) if bytes < 1 << 60 => Ok(Bytes(bytes)),
            _ => Err(Wrong::because("this size is beyond all bounds")),
        }
    }

    fn schema() -> Value {
        json!({ "anyOf": [{ "const": 0 }, { "type": "string", "pattern": "^([0-9]+[bkmg]|0+)$" }] })
    }
}

/// Bytes of a head. It is parsed in one buffer, which must have room for a part of the body besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadBytes(pub u32);

impl Scalar for HeadBytes {
    const EXPECTED: &'static str = "a size from 1k to 48k";

    fn parse(text: &str, plain: bool) -> Result<Self, Wrong> {
        let bytes = u32::try_from(Bytes::parse(text, plain)?.0).unwrap_or(u32::MAX);
        match bytes {
            1024..=Bounds::HEAD_BYTES_MAX => Ok(HeadBytes(bytes)),
            _ => Err(Wrong::default()),
        }
    }

    fn schema() -> Value {
        // From 1024 to 49152 bytes, or a little more.
        let bytes =
            "102[4-9]|10[3-9][0-9]|1[1-9][0-9]{2}|[2-9][0-9]{3}|[1-3][0-9]{4}|4[0-8][0-9]{3}|49[01][0-9]{2}";
        let pattern = format!("^0*(([1-9]|[1-3][0-9]|4[0-8])k|({bytes})b)$");
        json!({ "type": "string", "pattern": pattern })
    }
}

/// A number of fields in a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldCount(pub u16);

impl Scalar for FieldCount {
    const EXPECTED: &'static str = "a whole number from 1 to 256";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        let allowed = |count: &u16| (1..=wire::h1::FIELDS_MAX).contains(&usize::from(*count));
        digits(text).filter(allowed).map(FieldCount).ok_or_else(Wrong::default)
    }

    fn schema() -> Value {
        whole(1, wire::h1::FIELDS_MAX as u64)
    }
}

/// A number of requests at a time on one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCount(pub u32);

impl Scalar for StreamCount {
    const EXPECTED: &'static str = "a whole number from 1 to 1000";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        let allowed = |count: &u32| (1..=Bounds::STREAMS_MAX).contains(count);
        digits(text).filter(allowed).map(StreamCount).ok_or_else(Wrong::default)
    }

    fn schema() -> Value {
        whole(1, Bounds::STREAMS_MAX.into())
    }
}

/// How many more attempts a request gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryCount(pub u32);

impl Scalar for RetryCount {
    const EXPECTED: &'static str = "a whole number from 1 to 5";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        let allowed = |count: &u32| (1..=Retries::MAX).contains(count);
        digits(text).filter(allowed).map(RetryCount).ok_or_else(Wrong::default)
    }

    fn schema() -> Value {
        whole(1, Retries::MAX.into())
    }
}

/// `10s` as `10` and `s`.
fn number_and_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// A share in hundredths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share(pub u32);

impl Scalar for Share {
    const EXPECTED: &'static str = "a percentage such as 95% or 0.25%";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        let Some(number) = text.strip_suffix('%') else {
            let help = digits::<u32>(text).map(|number| format!("write {number}%"));
            return Err(Wrong { help, ..Wrong::default() });
        };
        let (whole, hundredths) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || hundredths.is_empty() || hundredths.len() > 2 {
            return Err(Wrong::help("at most two digits stand after the point"));
        }
        let scale = if hundredths.len() == 1 { 10 } else { 1 };
        let share = digits::<u32>(whole)
            .filter(|&whole| whole <= 100)
            .zip(digits::<u32>(hundredths))
            .map(|(whole, hundredths)| whole * 100 + hundredths * scale);
        match share {
            Some(share) if share <= 10_000 => Ok(Share(share)),
            _ => Err(Wrong::because(format!("`{}` is not a percentage from 0% to 100%", shortened(text)))),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^0*(100(\\.0{1,2})?|[0-9]{1,2}(\\.[0-9]{1,2})?)%$" })
    }
}

/// A status of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status(pub u16);

impl Scalar for Status {
    const EXPECTED: &'static str = "a status from 200 to 599";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        digits(text).filter(|status| (200..600).contains(status)).map(Status).ok_or_else(Wrong::default)
    }

    fn schema() -> Value {
        whole(200, 599)
    }
}

/// Statuses, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusRange(pub u16, pub u16);

impl Scalar for StatusRange {
    const EXPECTED: &'static str = "a status or a range such as 404, 5xx or 200-299";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 =
                digits(class).filter(|class| (1..6).contains(class)).ok_or_else(Wrong::default)?;
            return Ok(StatusRange(class * 100, class * 100 + 99));
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |text| digits(text).filter(|status| (100..600).contains(status));
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Ok(StatusRange(first, last)),
            (Some(_), Some(_)) => Err(Wrong::because("the range ends before it begins")),
            _ => Err(Wrong::default()),
        }
    }

    fn schema() -> Value {
        json!({ "oneOf": [
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "pattern": "^[1-5]([0-9]{2}|xx)$|^[1-5][0-9]{2}-[1-5][0-9]{2}$" },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "reads better in tables")]
    fn check<T: Scalar + Debug + PartialEq>(text: &str, expected: Option<T>) {
        let read = T::parse(text, true).ok();
        assert!(read == expected, "{text}: {read:?}, not {expected:?}");
    }

    #[test]
    fn times_have_units() {
        let seconds = |seconds| Some(Time(Duration::from_secs(seconds)));
        check("500ms", Some(Time(Duration::from_millis(500))));
        check("10s", seconds(10));
        check("2m", seconds(120));
        check("1h", seconds(3600));
        check("1d", seconds(86_400));
        check("0s", Some(Pause(Duration::ZERO)));
        check("none", Some(TimeOrNone(None)));
        for wrong in [
            "",
            "s",
            "10",
            "10 s",
            "-1s",
            "1.5s",
            "1S",
            "0s",
            "99999999999999999999s",
            "367d",
            "0x1s",
            "1_0s",
        ] {
            check::<Time>(wrong, None);
        }
    }

    #[test]
    fn sizes_are_binary() {
        check("0", Some(Bytes(0)));
        check("512b", Some(Bytes(512)));
        check("32k", Some(Bytes(32_768)));
        check("1g", Some(Bytes(1 << 30)));
        for wrong in ["", "k", "32", "1kb", "1K", "-1k", "18446744073709551615g", "1.5m"] {
            check::<Bytes>(wrong, None);
        }
        check("48k", Some(HeadBytes(48 << 10)));
        check("1024b", Some(HeadBytes(1024)));
        for wrong in ["1023b", "49k", "0", "4g", "8g", "48"] {
            check::<HeadBytes>(wrong, None);
        }
        check("256", Some(FieldCount(256)));
        for wrong in ["0", "257", "65537", "-1"] {
            check::<FieldCount>(wrong, None);
        }
        check("1000", Some(StreamCount(1000)));
        for wrong in ["0", "1001", "-1", "none"] {
            check::<StreamCount>(wrong, None);
        }
    }

    #[test]
    fn shares_have_two_decimals() {
        check("95%", Some(Share(9500)));
        check("0%", Some(Share(0)));
        check("0.25%", Some(Share(25)));
        check("0.5%", Some(Share(50)));
        check("100.00%", Some(Share(10_000)));
        for wrong in ["", "%", "95", "101%", "100.01%", "0.125%", ".5%", "5.%", "-1%", "1e1%"] {
            check::<Share>(wrong, None);
        }
    }

    #[test]
    fn statuses_are_ranges() {
        check("404", Some(StatusRange(404, 404)));
        check("5xx", Some(StatusRange(500, 599)));
        check("200-299", Some(StatusRange(200, 299)));
        for wrong in ["", "99", "600", "6xx", "xx", "299-200", "200-", "2 00"] {
            check::<StatusRange>(wrong, None);
        }
    }
}
