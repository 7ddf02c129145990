//! Results of tests as JUnit XML, which CI systems read.

use super::test::Outcome;

/// One test suite with a case for each test.
pub fn document(suite: &str, outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\">\n",
        escaped(suite),
        outcomes.len()
    );
    for outcome in outcomes {
        let name = escaped(&outcome.name);
        match &outcome.failure {
            None => text.push_str(&format!("  <testcase classname=\"tests\" name=\"{name}\"/>\n")),
            Some((message, trace)) => text.push_str(&format!(
                "  <testcase classname=\"tests\" name=\"{name}\"><failure message=\"{}\">{}</failure></testcase>\n",
                escaped(message),
                escaped(trace)
            )),
        }
    }
    text.push_str("</testsuite>\n");
    text
}

/// Text for an attribute or an element. What XML cannot hold at all is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            character if character.is_control() => {}
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        let outcomes = [
            Outcome { name: "GET http://a/?x&y".into(), failure: None },
            Outcome { name: "b".into(), failure: Some(("expected <1>".into(), "+ \"x\"\n\u{1}".into())) },
        ];
        assert_eq!(
            document("f", &outcomes),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuite name=\"f\" tests=\"2\" failures=\"1\">\n\
             \x20 <testcase classname=\"tests\" name=\"GET http://a/?x&amp;y\"/>\n\
             \x20 <testcase classname=\"tests\" name=\"b\"><failure message=\"expected &lt;1&gt;\">+ &quot;x&quot;&#10;</failure></testcase>\n\
             </testsuite>\n"
        );
    }
}
