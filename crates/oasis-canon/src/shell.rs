//! The commands in a shell script, as far as the check of deploys needs them.
//!
//! This is not a shell: it splits a script into commands and words, and it knows quotes, comments,
//! continued lines, here-documents and substitutions. Other syntax, such as `if`, is a word. Expressions of
//! GitHub (`${{ … }}`) are part of a word, because workflows have them in their scripts.

/// A command: its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) words: Vec<Word>,
}

/// A word of a command, without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Word {
    /// Where the word starts in the script, in bytes.
    pub(crate) at: usize,
    pub(crate) text: String,
}

impl Word {
    /// Whether the text depends on a variable, a substitution or an expression.
    pub(crate) fn is_computed(&self) -> bool {
        self.text.contains(['$', '`'])
    }
}

/// The commands of a script, also those in substitutions.
pub(crate) fn commands(script: &str) -> Vec<Command> {
    let mut found = Vec::new();
    collect(script, 0, 0, &mut found);
    found
}

/// How deep substitutions are read.
const MAX_DEPTH: usize = 8;

fn collect(script: &str, offset: usize, depth: usize, found: &mut Vec<Command>) {
    let mut lexer = Lexer { script, at: 0, offset, depth, words: Vec::new(), heredocs: Vec::new(), found };
    lexer.run();
}

struct Lexer<'s, 'f> {
    script: &'s str,
    at: usize,
    /// Where `script` starts in the whole script.
    offset: usize,
    depth: usize,
    words: Vec<Word>,
    /// The delimiters of the here-documents that start after this line.
    heredocs: Vec<String>,
    found: &'f mut Vec<Command>,
}

impl<'s> Lexer<'s, '_> {
    fn run(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '\n' => {
                    self.at += 1;
                    self.end_command();
                    self.skip_heredocs();
                }
                '(' if self.rest().starts_with("((") => self.arithmetic(),
                '&' if self.rest().starts_with("&>") => {
                    self.at += 1;
                    self.redirection();
                }
                ';' | '&' | '|' | '(' | ')' => {
                    self.at += 1;
                    self.end_command();
                }
                '\\' if self.rest().starts_with("\\\n") => self.at += 2,
                '\\' if self.rest().starts_with("\\\r\n") => self.at += 3,
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                '<' if self.rest().starts_with("<<<") => self.at += 3,
                '<' if self.rest().starts_with("<<") => self.heredoc(),
                '<' | '>' => self.redirection(),
                c if c.is_whitespace() => self.at += c.len_utf8(),
                _ => {
                    let word = self.word();
                    self.words.push(word);
                }
            }
        }
        self.end_command();
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn rest(&self) -> &'s str {
        &self.script[self.at..]
    }

    fn end_command(&mut self) {
        if !self.words.is_empty() {
            self.found.push(Command { words: std::mem::take(&mut self.words) });
        }
    }

    /// Skips `>`, `>>`, `>&` and the like. What follows is a word.
    fn redirection(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(['<', '>', '&', '|']).len();
    }

    /// Skips `((…))`, in which `<<` is no here-document.
    fn arithmetic(&mut self) {
        self.at += self.rest().find("))").map_or(2, |end| end + 2);
    }

    /// Reads `<<WORD` or `<<-WORD`.
    fn heredoc(&mut self) {
        self.at += 2;
        if self.peek() == Some('-') {
            self.at += 1;
        }
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.at += 1;
        }
        let delimiter = self.word().text;
        self.heredocs.push(delimiter);
    }

    /// Skips the here-documents that start at this line.
    fn skip_heredocs(&mut self) {
        for delimiter in std::mem::take(&mut self.heredocs) {
            while self.at < self.script.len() {
                let line = self.rest().split('\n').next().unwrap_or_default();
                self.at = (self.at + line.len() + 1).min(self.script.len());
                if line.trim() == delimiter {
                    break;
                }
            }
        }
    }

    /// Reads a word. Always moves on by at least one character.
    fn word(&mut self) -> Word {
        let mut word = Word { at: self.offset + self.at, text: String::new() };
        while let Some(c) = self.peek() {
            match c {
                c if c.is_whitespace() => break,
                ';' | '&' | '|' | '(' | ')' | '<' | '>' if !word.text.is_empty() => break,
                '\'' => {
                    let rest = &self.rest()[1..];
                    let end = rest.find('\'').unwrap_or(rest.len());
                    word.text.push_str(&rest[..end]);
                    self.at = (self.at + end + 2).min(self.script.len());
                }
                '"' => self.double_quoted(&mut word.text),
                '\\' => self.escaped(&mut word.text),
                '$' | '`' => self.expansion(&mut word.text),
                c => {
                    word.text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        word
    }

    fn double_quoted(&mut self, text: &mut String) {
        self.at += 1;
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => self.escaped(text),
                '$' | '`' => self.expansion(text),
                c => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    /// Reads a backslash and the next character. A continued line leaves nothing.
    fn escaped(&mut self, text: &mut String) {
        self.at += 1;
        if self.rest().starts_with("\r\n") {
            self.at += 2;
        } else if let Some(c) = self.peek() {
            self.at += c.len_utf8();
            if c != '\n' {
                text.push(c);
            }
        }
    }

    /// Reads a variable, a substitution or an expression, and keeps it as it is written. The commands of a
    /// substitution are commands of the script too.
    fn expansion(&mut self, text: &mut String) {
        let rest = self.rest();
        let (length, inner) = if let Some(quoted) = rest.strip_prefix("$'") {
            let escapes =
                |from: usize| quoted[..from].bytes().rev().take_while(|byte| *byte == b'\\').count();
            let end = quoted.match_indices('\'').map(|(at, _)| at).find(|at| escapes(*at) % 2 == 0);
            (end.map_or(rest.len(), |end| end + 3), None)
        } else if rest.starts_with("${{") {
            (rest.find("}}").map_or(rest.len(), |end| end + 2), None)
        } else if rest.starts_with("$(") {
            let end = matching(rest, '(', ')');
            (end, Some(2..end.saturating_sub(1).max(2)))
        } else if rest.starts_with("${") {
            (matching(rest, '{', '}'), None)
        } else if let Some(body) = rest.strip_prefix('`') {
            let end = body.find('`').map_or(rest.len(), |end| end + 2);
            (end, Some(1..end.saturating_sub(1).max(1)))
        } else {
            (1, None)
        };
        let script = self.script;
        let start = self.at;
        text.push_str(&script[start..start + length]);
        self.at += length;
        if let Some(inner) = inner.filter(|_| self.depth < MAX_DEPTH) {
            let (from, to) = (start + inner.start, (start + inner.end).min(script.len()));
            if let Some(inner) = script.get(from..to) {
                collect(inner, self.offset + from, self.depth + 1, self.found);
            }
        }
    }
}

/// The length of `text` up to the bracket that closes its first one. Quoted brackets do not count.
fn matching(text: &str, opening: char, closing: char) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', None | Some('"')) => escaped = true,
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => quote = Some(c),
            (c, None) if c == opening => depth += 1,
            (c, None) if c == closing => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + c.len_utf8();
                }
            }
            (_, None) => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(script: &str) -> Vec<Vec<String>> {
        let texts = |command: Command| command.words.into_iter().map(|word| word.text).collect();
        commands(script).into_iter().map(texts).collect()
    }

    #[test]
    fn a_script_is_split_as_a_shell_does() {
        let script = "a 'b c' \"d $e\" # f\n  g \\\n  --h=\"i\"j; k && l|m\ncat <<'EOF' n\no p\nEOF\nq";
        let expected: Vec<Vec<&str>> = vec![
            vec!["a", "b c", "d $e"],
            vec!["g", "--h=ij"],
            vec!["k"],
            vec!["l"],
            vec!["m"],
            vec!["cat", "n"],
            vec!["q"],
        ];
        let others = [
            ("a $(tr -d '\\')\nc", vec![vec!["tr", "-d", "\\"], vec!["a", "$(tr -d '\\')"], vec!["c"]]),
            ("a <<< \"$b\"\nc", vec![vec!["a", "$b"], vec!["c"]]),
            ("(( n = 1 << 2 ))\nc", vec![vec!["c"]]),
            ("a 2>&1 b &> c >>d e", vec![vec!["a", "2", "1", "b", "c", "d", "e"]]),
            ("a=$'it\\'s'\nc", vec![vec!["a=$'it\\'s'"], vec!["c"]]),
        ];
        for (script, expected) in others {
            assert_eq!(words(script), expected, "{script}");
        }
        assert_eq!(words(script), expected);
    }

    #[test]
    fn substitutions_are_words_and_commands() {
        let script =
            "url=$(gcloud run deploy x \"$(labels a)\") y \"${z:-\"}\"}\" ${{ inputs.a || 'b c' }}d `e f`";
        let expected: Vec<Vec<&str>> = vec![
            vec!["labels", "a"],
            vec!["gcloud", "run", "deploy", "x", "$(labels a)"],
            vec!["e", "f"],
            vec![
                "url=$(gcloud run deploy x \"$(labels a)\")",
                "y",
                "${z:-\"}\"}",
                "${{ inputs.a || 'b c' }}d",
                "`e f`",
            ],
        ];
        assert_eq!(words(script), expected);
    }

    proptest! {
        #[test]
        fn every_text_is_split_and_each_word_has_its_place(script in "[a$`(){}\"'\\\\ \n<#;é\r-]{0,40}") {
            for word in commands(&script).into_iter().flat_map(|command| command.words) {
                prop_assert!(script.is_char_boundary(word.at) && word.at < script.len(), "{:?}", word);
            }
        }
    }
}
