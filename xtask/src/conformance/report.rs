//! h2spec's report: JUnit's XML as h2spec writes it, which is all that is understood here.

/// A case, and what went wrong if something did.
#[derive(Debug, PartialEq, Eq)]
pub struct Case {
    /// The section of the specification, and what is done: `http2/4.2: Sends a large size DATA frame …`.
    pub name: String,
    /// How it went.
    pub end: End,
}

/// How a case went.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Passed,
    /// h2spec could not do it.
    Skipped,
    /// Otherwise than it should.
    Failed {
        /// What would have been right; any of them.
        expected: Vec<String>,
        /// What came.
        actual: String,
    },
}

/// All cases of a report, in its order.
pub fn cases(xml: &str) -> Vec<Case> {
    xml.split("<testcase ").skip(1).map(case).collect()
}

/// A case from its element and what follows up to the next one.
fn case(text: &str) -> Case {
    // Cases without a fault end in `></testcase>`; what comes after an end is the next suite's.
    let text = text.split("</testcase>").next().unwrap_or(text);
    let name = format!("{}: {}", attribute(text, "package"), attribute(text, "classname"));
    let fault = ["error", "failure"].into_iter().find_map(|element| content(text, element));
    let end = match fault {
        Some(fault) => {
            let mut expected: Vec<String> = fault.lines().map(str::to_owned).collect();
            // The last line says what came.
            let actual = expected.pop().unwrap_or_default();
            End::Failed { expected, actual }
        }
        None if text.contains("<skipped") => End::Skipped,
        None => End::Passed,
    };
    Case { name, end }
}

fn attribute(text: &str, name: &str) -> String {
    let value = text.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
    unescaped(value.map_or("", |(value, _)| value))
}

fn content(text: &str, element: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{element}>"))?;
    rest.split_once(&format!("</{element}>")).map(|(content, _)| unescaped(content))
}

fn unescaped(text: &str) -> String {
    let pairs =
        [("&#34;", "\""), ("&#39;", "'"), ("&#xA;", "\n"), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_with_what_went_wrong() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="4.2. Frame Size" package="http2/4.2" id="4.2" tests="3" skipped="1" failures="0" errors="1">
    <testcase package="http2/4.2" classname="Sends a &#34;DATA&#34; frame" time="0.1929"></testcase>
    <testcase package="http2/4.2" classname="Sends a large one" time="2.0773">
      <error>GOAWAY Frame (Error Code: FRAME_SIZE_ERROR)
Connection closed
DATA Frame (length:23, flags:0x01, stream_id:1)</error>
    </testcase>
  </testsuite>
  <testsuite name="1." package="hpack/1" id="1" tests="1" skipped="1" failures="0" errors="0">
    <testcase package="hpack/1" classname="Last" time="0"><skipped></skipped></testcase>
  </testsuite>
</testsuites>"#;
        let failed = End::Failed {
            expected: vec![
                "GOAWAY Frame (Error Code: FRAME_SIZE_ERROR)".to_owned(),
                "Connection closed".to_owned(),
            ],
            actual: "DATA Frame (length:23, flags:0x01, stream_id:1)".to_owned(),
        };
        let wanted = [
            ("http2/4.2: Sends a \"DATA\" frame", End::Passed),
            ("http2/4.2: Sends a large one", failed),
            ("hpack/1: Last", End::Skipped),
        ];
        assert_eq!(cases(xml), wanted.map(|(name, end)| Case { name: name.to_owned(), end }));
        assert_eq!(cases("no report"), []);
    }
}
