//! Template text to nodes.

use serde_json::Value;

use super::{DEPTH_LIMIT, Expression, Node, TemplateError};

pub(super) fn template(text: &str) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser { pieces: pieces(text)?, next: 0 };
    let (nodes, end) = parser.block(0)?;
    match end {
        None => Ok(nodes),
        Some(action) => Err(error(format!("unexpected {{{{{action}}}}}"))),
    }
}

fn error(text: impl Into<String>) -> TemplateError {
    TemplateError(text.into())
}

enum Piece {
    Text(String),
    Action(String),
}

/// Cuts a template into text and what stands between `{{` and `}}`.
fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trims = false;
    loop {
        let start = rest.find("{{");
        let plain = &rest[..start.unwrap_or(rest.len())];
        let mut plain = plain.replace("\\t", "\t").replace("\\n", "\n");
        if trims {
            plain = plain.trim_start().to_owned();
        }
        let Some(start) = start else {
            pieces.push(Piece::Text(plain));
            return Ok(pieces);
        };
        let inside = &rest[start + 2..];
        let end = action_end(inside).ok_or_else(|| error("unclosed action"))?;
        let mut action = &inside[..end];
        rest = &inside[end + 2..];
        if let Some(trimmed) = action.strip_prefix("- ") {
            plain = plain.trim_end().to_owned();
            action = trimmed;
        }
        trims = action.ends_with(" -");
        pieces.push(Piece::Text(plain));
        pieces.push(Piece::Action(action.strip_suffix(" -").unwrap_or(action).trim().to_owned()));
    }
}

/// Where `}}` is, outside of strings.
fn action_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if character == '\\' => escaped = true,
            Some(open) if open == character => quote = None,
            Some(_) => {}
            None if matches!(character, '"' | '`') => quote = Some(character),
            None if text[at..].starts_with("}}") => return Some(at),
            None => {}
        }
    }
    None
}

struct Parser {
    pieces: Vec<Piece>,
    next: usize,
}

impl Parser {
    /// Nodes up to the `end` or `else` that closes this block, which is returned too.
    fn block(&mut self, depth: usize) -> Result<(Vec<Node>, Option<String>), TemplateError> {
        if depth > DEPTH_LIMIT {
            return Err(error("too deeply nested"));
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.get(self.next) {
            self.next += 1;
            let action = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text.clone()));
                    continue;
                }
                Piece::Action(action) => action.clone(),
            };
            let (word, rest) = action.split_once(' ').unwrap_or((&action, ""));
            match word {
                "end" | "else" => return Ok((nodes, Some(action))),
                "range" => nodes.push(self.range(rest, depth)?),
                "if" => nodes.push(self.condition(rest, depth)?),
                _ if word.starts_with("/*") => {}
                _ => nodes.push(Node::Value(expression(&action)?)),
            }
        }
        Ok((nodes, None))
    }

    fn range(&mut self, header: &str, depth: usize) -> Result<Node, TemplateError> {
        let (names, list) = match header.split_once(":=") {
            Some((names, list)) => {
                let names = names.split(',').map(|name| name.trim().trim_start_matches('$'));
                (names.map(str::to_owned).collect(), list)
            }
            None => (Vec::new(), header),
        };
        let list = expression(list)?;
        let (body, otherwise) = self.bodies(depth)?;
        Ok(Node::Range(names, list, body, otherwise))
    }

    fn condition(&mut self, header: &str, depth: usize) -> Result<Node, TemplateError> {
        let condition = expression(header)?;
        let (body, otherwise) = self.bodies(depth)?;
        Ok(Node::If(condition, body, otherwise))
    }

    fn bodies(&mut self, depth: usize) -> Result<(Vec<Node>, Vec<Node>), TemplateError> {
        let (body, end) = self.block(depth + 1)?;
        let end = end.ok_or_else(|| error("unexpected end of the template"))?;
        match end.strip_prefix("else").map(str::trim) {
            None => Ok((body, Vec::new())),
            Some("") => match self.block(depth + 1)? {
                (otherwise, Some(end)) if end == "end" => Ok((body, otherwise)),
                _ => Err(error("expected {{end}}")),
            },
            Some(chained) => match chained.strip_prefix("if ") {
                Some(condition) => Ok((body, vec![self.condition(condition, depth + 1)?])),
                None => Err(error(format!("unexpected {{{{{end}}}}}"))),
            },
        }
    }
}

fn expression(text: &str) -> Result<Expression, TemplateError> {
    let tokens = tokens(text)?;
    let mut reader = Reader { tokens: &tokens, next: 0 };
    let expression = reader.pipeline(0)?;
    match reader.peek() {
        None => Ok(expression),
        Some(token) => Err(error(format!("unexpected {token:?}"))),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Open,
    Close,
    Pipe,
    Literal(Value),
    /// A name, a path, or a number.
    Word(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, TemplateError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' | '|' => {
                tokens.push(match first {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Pipe,
                });
                1
            }
            '"' => {
                let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                let Some(Ok(literal)) = stream.next() else {
                    return Err(error(format!("unterminated string {rest}")));
                };
                tokens.push(Token::Literal(literal.into()));
                stream.byte_offset()
            }
            '`' => {
                let end = rest[1..].find('`').ok_or_else(|| error("unterminated string"))?;
                tokens.push(Token::Literal(rest[1..=end].into()));
                end + 2
            }
            _ => {
                let stops = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|' | '"' | '`');
                let end = rest.find(stops).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                end
            }
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Reader<'a> {
    tokens: &'a [Token],
    next: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    /// `command | command`: each one's value is the next one's last argument.
    fn pipeline(&mut self, depth: usize) -> Result<Expression, TemplateError> {
        let mut value = self.command(None, depth)?;
        while self.peek() == Some(&Token::Pipe) {
            self.next += 1;
            value = self.command(Some(value), depth)?;
        }
        Ok(value)
    }

    fn command(
        &mut self,
        piped: Option<Expression>,
        depth: usize,
    ) -> Result<Expression, TemplateError> {
        let is_function = match self.peek() {
            Some(Token::Word(word)) => word.starts_with(|c: char| c.is_ascii_alphabetic()),
            _ => false,
        };
        if !is_function || matches!(self.peek(), Some(Token::Word(word)) if is_constant(word)) {
            let operand = self.operand(depth)?;
            return match piped {
                None => Ok(operand),
                Some(_) => Err(error("only a function can follow |")),
            };
        }
        let Some(Token::Word(name)) = self.peek().cloned() else {
            return Err(error("missing value"));
        };
        self.next += 1;
        let mut arguments = Vec::new();
        while !matches!(self.peek(), None | Some(Token::Close | Token::Pipe)) {
            arguments.push(self.operand(depth)?);
        }
        arguments.extend(piped);
        Ok(Expression::Call(name, arguments))
    }

    fn operand(&mut self, depth: usize) -> Result<Expression, TemplateError> {
        if depth > DEPTH_LIMIT {
            return Err(error("too deeply nested"));
        }
        let token = self.peek().cloned().ok_or_else(|| error("missing value"))?;
        self.next += 1;
        match token {
            Token::Literal(value) => Ok(Expression::Literal(value)),
            Token::Word(word) => operand(&word),
            Token::Open => {
                let inner = self.pipeline(depth + 1)?;
                if self.peek() != Some(&Token::Close) {
                    return Err(error("unclosed parenthesis"));
                }
                self.next += 1;
                Ok(inner)
            }
            Token::Close | Token::Pipe => Err(error("missing value")),
        }
    }
}

fn is_constant(word: &str) -> bool {
    matches!(word, "true" | "false" | "nil")
}

fn operand(word: &str) -> Result<Expression, TemplateError> {
    let fields = |text: &str| -> Vec<String> {
        text.split('.').filter(|field| !field.is_empty()).map(str::to_owned).collect()
    };
    if let Some(path) = word.strip_prefix('.') {
        return Ok(Expression::Path(None, fields(path)));
    }
    if let Some(variable) = word.strip_prefix('$') {
        let (name, path) = variable.split_once('.').unwrap_or((variable, ""));
        return Ok(Expression::Path(Some(name.to_owned()), fields(path)));
    }
    match word {
        "true" | "false" => Ok(Expression::Literal((word == "true").into())),
        "nil" => Ok(Expression::Literal(Value::Null)),
        _ => match serde_json::from_str::<serde_json::Number>(word) {
            Ok(number) => Ok(Expression::Literal(number.into())),
            Err(_) => Err(error(format!("function {word:?} can not stand here"))),
        },
    }
}
