//! What Meta would refuse in a template, and where.

use std::fmt;

use questline_core::tracked::InvalidTarget;

/// Something that Meta would refuse, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template {template}, {place}: {problem}")]
pub struct TemplateProblem {
    /// Which template.
    pub template: String,
    /// Where in it.
    pub place: Place,
    /// What is wrong.
    pub problem: Problem,
}

/// A place in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In which language; `None` for what all languages share.
    pub language: Option<String>,
    /// Which part.
    pub part: Part,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.language {
            Some(language) => write!(f, "{} ({language})", self.part),
            None => write!(f, "{}", self.part),
        }
    }
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its name.
    Name,
    /// Its languages as such.
    Languages,
    /// The header.
    Header,
    /// The body.
    Body,
    /// The footer.
    Footer,
    /// The buttons as such.
    Buttons,
    /// One button, counted from 0.
    Button(usize),
    /// Its examples.
    Examples,
    /// How long Meta tries to deliver it.
    SendTtl,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("name"),
            Self::Languages => f.write_str("languages"),
            Self::Header => f.write_str("header"),
            Self::Body => f.write_str("body"),
            Self::Footer => f.write_str("footer"),
            Self::Buttons => f.write_str("buttons"),
            Self::Button(index) => write!(f, "button {index}"),
            Self::Examples => f.write_str("examples"),
            Self::SendTtl => f.write_str("send_ttl_s"),
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// `leads_to` beside an address that does not lead to this host.
    #[error("has leads_to, so its url is https, on this host, and ends with /l/{{{{1}}}}")]
    CountedUrl,
    /// `leads_to` itself.
    #[error("leads_to {0}")]
    LeadsTo(InvalidTarget),
    /// Nothing in it.
    #[error("is blank")]
    Blank,
    /// Too long.
    #[error("has {found} characters; Meta takes {max}")]
    TooLong {
        /// Characters there are.
        found: usize,
        /// Characters there may be.
        max: usize,
    },
    /// The name holds more than `a-z`, `0-9` and `_`.
    #[error("takes a-z, 0-9 and _ only")]
    NameAlphabet,
    /// There is no language.
    #[error("there is none")]
    NoLanguages,
    /// Not a language as Meta writes it.
    #[error("{0:?} is not a language as Meta writes it, for instance en or pt_BR")]
    LanguageCode(String),
    /// What stands between `{{` and `}}` is not 1, 2, 3, ...
    #[error("{{{{{0}}}}} is not a parameter; parameters are {{{{1}}}}, {{{{2}}}}, ...")]
    Parameter(String),
    /// A number is left out.
    #[error("parameter {{{{{0}}}}} is missing: they count from 1 without gaps")]
    ParameterGap(usize),
    /// More parameters than it takes.
    #[error("has {found} parameters; it takes {max}")]
    Parameters {
        /// Parameters there are.
        found: usize,
        /// Parameters there may be.
        max: usize,
    },
    /// It starts or ends with a parameter (Meta: 2388299).
    #[error("starts or ends with a parameter: put words there")]
    ParameterAtEdge,
    /// Two parameters touch.
    #[error("two parameters stand next to each other: put words between them")]
    ParametersAdjacent,
    /// Too many parameters for so few words (Meta: 2388293).
    #[error("has {found} words beside its parameters; {needed} are needed")]
    TooDense {
        /// Words there are.
        found: usize,
        /// Words there should be.
        needed: usize,
    },
    /// More than one line.
    #[error("takes one line")]
    LineBreak,
    /// Too many buttons, or buttons of a kind.
    #[error("there are {found} {kind}; Meta takes {max}")]
    TooManyButtons {
        /// Of which kind.
        kind: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// Quick replies stand between others.
    #[error("quick replies stand together, before or after all others")]
    ButtonsMixed,
    /// Two buttons have the same text.
    #[error("two buttons say {0:?}")]
    ButtonDoubled(String),
    /// Not a web address.
    #[error("is no web address: it starts with https:// or http:// and has no spaces")]
    Url,
    /// The parameter of a web address stands elsewhere than at its end.
    #[error("a web address takes one parameter, {{{{1}}}}, at its end")]
    UrlParameter,
    /// A language takes other values than the first one, so what fits one fails the other.
    #[error("takes {found} values, and {expected} in {language}: a message has to fit all languages")]
    LanguagesDiffer {
        /// Values this one takes.
        found: usize,
        /// Values the other one takes.
        expected: usize,
        /// The other one.
        language: String,
    },
    /// Authentication templates have a fixed form.
    #[error("an authentication template has one body parameter, the code, and one button of type otp")]
    Authentication,
    /// What only authentication templates have.
    #[error("code_expiration_minutes and add_security_recommendation are of authentication templates only")]
    AuthenticationFields,
    /// How long the footer says that a code is good for.
    #[error("code_expiration_minutes is {found}; it takes 1 to {max}")]
    CodeExpiration {
        /// Minutes as written.
        found: u8,
        /// Minutes there may be.
        max: u8,
    },
    /// A button for codes in a template that has none.
    #[error("a button of type otp is of authentication templates only")]
    OtpElsewhere,
    /// One-tap and zero-tap name the apps that may get the code; nothing else does.
    #[error("has {found} supported_apps; this otp_type takes {min} to {max}")]
    SupportedApps {
        /// How many there are.
        found: usize,
        /// How many there have to be.
        min: usize,
        /// How many there may be.
        max: usize,
    },
    /// A button that copies fills nothing in.
    #[error("autofill_text is of one-tap and zero-tap: copy-code fills nothing in")]
    AutofillOfCopyCode,
    /// Meta's terms of zero-tap.
    #[error("zero_tap_terms_accepted is {}", if *.needed { "missing: zero-tap takes it as true" } else { "set: it is of zero-tap alone" })]
    ZeroTapTerms {
        /// Whether it has to be set.
        needed: bool,
    },
    /// The code gets into the app in the same way in all languages.
    #[error("otp_type and supported_apps differ from those in {language}")]
    OtpDiffers {
        /// The other language.
        language: String,
    },
    /// Not as many examples as there are parameters.
    #[error("{what} has {found} examples; it takes {takes}, one for each parameter")]
    Examples {
        /// Of which part.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there have to be.
        takes: usize,
    },
    /// An example that Meta would not take as a value.
    #[error("the example {0:?} is no value: it is blank, has line breaks, tabs, or more than 4 spaces in a row")]
    ExampleValue(String),
    /// An example of a web address that is not one.
    #[error("the example {example:?} does not begin with {begins:?}")]
    ExampleUrl {
        /// As written.
        example: String,
        /// What the button's address begins with.
        begins: String,
    },
    /// Meta keeps no message of this category for so long, or so short.
    #[error("is {found}; it takes {min} to {max} in this category")]
    SendTtl {
        /// Seconds as written.
        found: u32,
        /// Seconds there have to be.
        min: u32,
        /// Seconds there may be.
        max: u32,
    },
    /// Unfit for a value that is put into a template.
    #[error("a value has no line breaks, tabs, or more than 4 spaces in a row")]
    ValueWhitespace,
}
