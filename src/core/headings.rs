//! The meaning of a column by its name: the words for common columns in English, Spanish and Portuguese.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What a column is about, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// Given names.
    FirstName,
    /// Family names.
    LastName,
    /// Given and family names together.
    FullName,
    /// Given names if there is a column of family names, or else both together.
    Name,
    /// A phone number that may be of a landline.
    Phone,
    /// A mobile phone number, or one that receives messages.
    Mobile,
    /// An e-mail address.
    Email,
    /// Tags.
    Tags,
    /// A day of birth.
    Birthday,
    /// A town.
    City,
    /// A country.
    Country,
    /// The person's employer.
    Company,
    /// The person's language.
    Language,
    /// Yes or no.
    Flag,
    /// The contact's id in the program that wrote the file.
    Id,
}

/// A language that the names of columns are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// English.
    English,
    /// Spanish.
    Spanish,
    /// Portuguese.
    Portuguese,
}

/// The meaning of a JSON key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySense {
    /// The value is a phone number or an e-mail address.
    Address,
    /// The value is the given or the family name of a person.
    PersonName,
    /// The value is a name, of a person or of anything.
    Name,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::Spanish, Self::Portuguese];

    /// Its name in English.
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Spanish => "Spanish",
            Self::Portuguese => "Portuguese",
        }
    }
}

use Language::{English, Portuguese, Spanish};

/// The words, in lower case without accents. Those without a language are the same in several languages.
const WORDS: &[(Sense, Option<Language>, &[&str])] = &[
    (Sense::FirstName, Some(English), &["first name", "firstname", "given name", "forename", "first"]),
    (Sense::FirstName, Some(Spanish), &["nombres", "nombre de pila", "primer nombre"]),
    (Sense::FirstName, Some(Portuguese), &["primeiro nome", "nome proprio"]),
    (Sense::LastName, Some(English), &["last name", "lastname", "surname", "family name", "last"]),
    (Sense::LastName, Some(Spanish), &["apellido", "apellidos", "primer apellido"]),
    (Sense::LastName, Some(Portuguese), &["sobrenome", "apelido", "ultimo nome"]),
    (Sense::FullName, Some(English), &["full name", "fullname", "contact name", "display name"]),
    (Sense::FullName, Some(Spanish), &["nombre completo", "nombre y apellidos", "nombre y apellido"]),
    (Sense::FullName, Some(Portuguese), &["nome completo", "nome e sobrenome"]),
    (Sense::Name, Some(English), &["name"]),
    (Sense::Name, Some(Spanish), &["nombre"]),
    (Sense::Name, Some(Portuguese), &["nome"]),
    (
        Sense::Phone,
        Some(English),
        &[
            "phone",
            "phone number",
            "telephone",
            "telephone number",
            "contact number",
            "work phone",
            "home phone",
            "business phone",
            "other phone",
            "primary phone",
            "company main phone",
            "office phone",
            "phone no",
            "phone num",
            "telephone no",
            "tel no",
        ],
    ),
    (Sense::Phone, None, &["tel", "tlf", "tfno", "telf"]),
    (
        Sense::Phone,
        Some(Spanish),
        &[
            "telefono",
            "telefonos",
            "numero de telefono",
            "num telefono",
            "telefono fijo",
            "telefono particular",
            "telefono trabajo",
            "nro telefono",
            "nro de telefono",
            "no telefono",
            "no de telefono",
            "n telefono",
            "n\u{ba} telefono",
            "n\u{ba} de telefono",
            "num de telefono",
            "tel fijo",
            "tel casa",
            "tel oficina",
            "tel trabajo",
        ],
    ),
    (
        Sense::Phone,
        Some(Portuguese),
        &["telefone", "fone", "numero de telefone", "telefone fixo", "telefone comercial"],
    ),
    (
        Sense::Mobile,
        Some(English),
        &[
            "mobile",
            "mobile phone",
            "mobile number",
            "mobile phone number",
            "mobile no",
            "cell",
            "cell phone",
            "cellphone",
            "cell number",
            "cell no",
        ],
    ),
    (Sense::Mobile, None, &["celular", "cel", "tel celular", "whatsapp", "whats app"]),
    (Sense::Mobile, Some(English), &["whatsapp number", "whatsapp phone", "whatsapp phone number"]),
    (
        Sense::Mobile,
        Some(Spanish),
        &[
            "movil",
            "telefono movil",
            "telefono celular",
            "numero de celular",
            "numero celular",
            "nro celular",
            "nro de celular",
            "numero movil",
            "tel movil",
        ],
    ),
    (Sense::Mobile, Some(Portuguese), &["telemovel", "telefone celular", "numero de telemovel", "telefone movel"]),
    (Sense::Email, None, &["email", "e mail", "mail"]),
    (
        Sense::Email,
        Some(English),
        &["email address", "e mail address", "primary email", "work email", "personal email"],
    ),
    (
        Sense::Email,
        Some(Spanish),
        &[
            "correo",
            "correo electronico",
            "direccion de correo",
            "direccion de correo electronico",
            "direccion de email",
        ],
    ),
    (Sense::Email, Some(Portuguese), &["correio eletronico", "endereco de email", "endereco de e mail"]),
    (Sense::Tags, None, &["tags", "tag"]),
    (Sense::Tags, Some(English), &["labels", "categories", "group membership", "groups", "contact tags"]),
    (Sense::Tags, Some(Spanish), &["etiquetas", "etiqueta", "grupos"]),
    (Sense::Tags, None, &["categorias"]),
    (Sense::Tags, Some(Portuguese), &["marcadores", "rotulos"]),
    (Sense::Birthday, Some(English), &["birthday", "birth date", "birthdate", "date of birth", "dob", "born"]),
    (
        Sense::Birthday,
        Some(Spanish),
        &["cumpleanos", "fecha de nacimiento", "fecha nacimiento", "nacimiento", "f nacimiento"],
    ),
    (Sense::Birthday, Some(Portuguese), &["aniversario", "data de nascimento", "data nascimento", "nascimento"]),
    (Sense::City, Some(English), &["city", "town", "home city", "business city", "mailing city"]),
    (Sense::City, Some(Spanish), &["ciudad", "poblacion", "localidad", "municipio"]),
    (Sense::City, Some(Portuguese), &["cidade"]),
    (Sense::Country, Some(English), &["country", "country region", "mailing country"]),
    (Sense::Country, None, &["pais"]),
    (Sense::Company, Some(English), &["company", "company name", "organization", "organization name", "account name"]),
    (Sense::Company, None, &["empresa"]),
    (Sense::Company, Some(Spanish), &["compania", "organizacion", "razon social", "nombre de la empresa"]),
    (Sense::Company, Some(Portuguese), &["organizacao", "companhia", "razao social", "nome da empresa"]),
    (Sense::Language, Some(English), &["language", "preferred language"]),
    (Sense::Language, Some(Spanish), &["lengua", "idioma preferido"]),
    (Sense::Language, None, &["idioma"]),
    (Sense::Language, Some(Portuguese), &["lingua"]),
    (Sense::Flag, None, &["vip", "newsletter", "premium", "opt in", "marketing opt in"]),
    (Sense::Flag, Some(English), &["subscriber", "subscribed", "is customer", "is vip"]),
    (Sense::Flag, Some(Spanish), &["boletin", "suscrito", "suscriptor", "es cliente", "cliente vip", "socio"]),
    (Sense::Flag, Some(Portuguese), &["inscrito", "assinante", "e cliente"]),
    (
        Sense::Id,
        None,
        &["id", "uuid", "crm id", "nif", "cif", "dni", "rfc", "curp", "nit", "ruc", "cuit", "rut", "cpf", "cnpj"],
    ),
    (
        Sense::Id,
        Some(English),
        &[
            "record id",
            "contact id",
            "customer id",
            "client id",
            "user id",
            "external id",
            "lead id",
            "person id",
            "customer number",
            "customer no",
            "customer code",
            "customer ref",
            "customer reference",
            "client number",
            "client code",
            "account number",
            "account id",
            "account no",
            "member id",
            "member number",
            "membership number",
            "subscriber id",
            "legacy id",
            "reference",
            "ref",
            "tax id",
            "vat number",
        ],
    ),
    (
        Sense::Id,
        Some(Spanish),
        &[
            "id cliente",
            "id de cliente",
            "id contacto",
            "id de contacto",
            "codigo cliente",
            "codigo de cliente",
            "numero de cliente",
            "numero cliente",
            "num cliente",
            "n cliente",
            "n\u{ba} cliente",
            "n \u{ba} cliente",
            "n\u{ba} de cliente",
            "n \u{ba} de cliente",
            "no cliente",
            "no de cliente",
            "nro cliente",
            "nro de cliente",
            "cod cliente",
            "cod",
            "codigo",
            "codigo interno",
            "clave",
            "clave cliente",
            "clave de cliente",
            "id externo",
            "id interno",
            "id usuario",
            "numero de socio",
            "n\u{ba} socio",
            "numero de cuenta",
            "expediente",
            "matricula",
            "folio",
            "referencia",
            "cedula",
            "documento",
            "numero de documento",
        ],
    ),
    (
        Sense::Id,
        Some(Portuguese),
        &[
            "id do cliente",
            "id do contato",
            "codigo do cliente",
            "numero do cliente",
            "n\u{ba} do cliente",
            "cod do cliente",
        ],
    ),
];

/// Other names of columns, by which a header in the middle of a file is recognised. They are too general, or of a language too
/// rare here, to guess what their columns are about. No value of a contact is called so.
const OTHER_HEADINGS: &[&str] = &[
    "numero",
    "nro",
    "direccion",
    "endereco",
    "observaciones",
    "nom",
    "prenom",
    "ville",
    "portable",
    "courriel",
    "vorname",
    "nachname",
    "telefon",
    "stadt",
    "cognome",
    "cellulare",
    "citta",
];

/// A column's name as it is compared: its words, and the number among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Lower case without accents, one space between words.
    pub words: String,
    /// The number, as of `Phone 2`.
    pub number: Option<u32>,
}

impl Heading {
    /// That of a column.
    pub fn of(name: &str) -> Self {
        // The primary one of a list is read as its first.
        let words = folded(&name.replace(PRIMARY_INSIDE, ".0."));
        let number = words.split(' ').find_map(|word| word.parse().ok());
        let rest: Vec<&str> = words.split(' ').filter(|word| word.parse::<u32>().is_err()).collect();
        let rest = match rest.as_slice() {
            // `Phone 1 - Value`, as Google has it.
            [words @ .., "value"] if number.is_some() => words,
            words => words,
        };
        Self { words: rest.join(" "), number }
    }

    /// Whether the column labels the phone or address in another one, as `Phone 1 - Label` does.
    pub fn is_label(&self) -> bool {
        self.number.is_some() && [" label", " type"].into_iter().any(|end| self.words.ends_with(end))
    }

    /// What the column is about, and the language of its name.
    pub fn sense(&self) -> Option<(Sense, Option<Language>)> {
        let entry = WORDS.iter().find(|(_, _, words)| words.contains(&self.words.as_str()))?;
        Some((entry.0, entry.1))
    }
}

/// Lower case without accents. Words are separated at characters that are neither letters nor digits, and before a capital
/// letter that follows a small one.
pub fn folded(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let mut was_small = false;
    for character in name.nfd().filter(|character| !is_combining_mark(*character)) {
        if was_small && character.is_uppercase() || !character.is_alphanumeric() {
            folded.push(' ');
        }
        was_small = character.is_lowercase();
        if character.is_alphanumeric() {
            folded.extend(character.to_lowercase());
        }
    }
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The meaning of a JSON key.
pub(crate) fn key_sense(key: &str) -> Option<KeySense> {
    match Heading::of(key).sense()?.0 {
        Sense::Phone | Sense::Mobile | Sense::Email => Some(KeySense::Address),
        Sense::FirstName | Sense::LastName | Sense::FullName => Some(KeySense::PersonName),
        Sense::Name => Some(KeySense::Name),
        Sense::Tags
        | Sense::Birthday
        | Sense::City
        | Sense::Country
        | Sense::Company
        | Sense::Language
        | Sense::Flag
        | Sense::Id => None,
    }
}

/// The step to the primary element of a list inside the path of a value: `phones.primary.value`.
pub(crate) const PRIMARY_INSIDE: &str = ".primary.";

/// Whether text is a common name of a column.
pub(crate) fn is_heading(text: &str) -> bool {
    let heading = Heading::of(text);
    heading.sense().is_some() || OTHER_HEADINGS.contains(&heading.words.as_str())
}

/// Whether text is the name of a column of phone numbers.
pub(crate) fn is_phone_heading(text: &str) -> bool {
    Heading::of(text).sense().is_some_and(|(sense, _)| matches!(sense, Sense::Phone | Sense::Mobile))
}

/// Whether text is the name of a column of e-mail addresses.
pub(crate) fn is_email_heading(text: &str) -> bool {
    Heading::of(text).sense().is_some_and(|(sense, _)| sense == Sense::Email)
}

/// Whether text is the name of a column of ids.
pub(crate) fn is_id_heading(text: &str) -> bool {
    Heading::of(text).sense().is_some_and(|(sense, _)| sense == Sense::Id)
}

/// Whether a column or a field is one of phone numbers or of e-mail addresses, by its name.
pub(crate) fn is_address_heading(text: &str) -> bool {
    key_sense(text) == Some(KeySense::Address)
}

/// Whether a key is that of a list of phones or of e-mail addresses: `phones`, `phoneNumbers`, `email`, `celulares`.
pub(crate) fn is_address_list(key: &str) -> bool {
    let is_one = |name: &str| key_sense(name) == Some(KeySense::Address);
    is_one(key) || ["s", "es"].into_iter().any(|end| key.strip_suffix(end).is_some_and(is_one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_say_what_they_are_in_three_languages() {
        let check = |name: &str, expected: Option<(Sense, Option<Language>)>| {
            assert_eq!(Heading::of(name).sense(), expected, "{name}");
        };
        check("First Name", Some((Sense::FirstName, Some(English))));
        check("FirstName", Some((Sense::FirstName, Some(English))));
        check("first_name", Some((Sense::FirstName, Some(English))));
        check("GIVEN NAME", Some((Sense::FirstName, Some(English))));
        check("Nombre", Some((Sense::Name, Some(Spanish))));
        check("Nome", Some((Sense::Name, Some(Portuguese))));
        check("Apellidos", Some((Sense::LastName, Some(Spanish))));
        check("Sobrenome", Some((Sense::LastName, Some(Portuguese))));
        check("Tel\u{e9}fono", Some((Sense::Phone, Some(Spanish))));
        check("TELE\u{301}FONO", Some((Sense::Phone, Some(Spanish))));
        check("Telefone 2", Some((Sense::Phone, Some(Portuguese))));
        check("Phone 1 - Value", Some((Sense::Phone, Some(English))));
        check("MobilePhone", Some((Sense::Mobile, Some(English))));
        check("Tel\u{e9}fono m\u{f3}vil", Some((Sense::Mobile, Some(Spanish))));
        check("Telem\u{f3}vel", Some((Sense::Mobile, Some(Portuguese))));
        check("E-mail 1 - Value", Some((Sense::Email, None)));
        check("Correo electr\u{f3}nico", Some((Sense::Email, Some(Spanish))));
        check("Etiquetas", Some((Sense::Tags, Some(Spanish))));
        check("Marcadores", Some((Sense::Tags, Some(Portuguese))));
        check("Cumplea\u{f1}os", Some((Sense::Birthday, Some(Spanish))));
        check("Data de nascimento", Some((Sense::Birthday, Some(Portuguese))));
        check("Ciudad", Some((Sense::City, Some(Spanish))));
        check("Pa\u{ed}s", Some((Sense::Country, None)));
        check("Organiza\u{e7}\u{e3}o", Some((Sense::Company, Some(Portuguese))));
        check("VIP", Some((Sense::Flag, None)));
        check("Record ID", Some((Sense::Id, Some(English))));
        check("C\u{f3}digo cliente", Some((Sense::Id, Some(Spanish))));
        check("C\u{f3}digo", Some((Sense::Id, Some(Spanish))));
        check("N\u{ba} cliente", Some((Sense::Id, Some(Spanish))));
        check("N.\u{ba} de cliente", Some((Sense::Id, Some(Spanish))));
        check("No. Cliente", Some((Sense::Id, Some(Spanish))));
        check("NIF", Some((Sense::Id, None)));
        check("Customer number", Some((Sense::Id, Some(English))));
        check("Phone 1 - Label", None);
        check("Lifecycle Stage", None);
        check("", None);
    }

    #[test]
    fn each_word_is_folded_and_stands_once() {
        let words: Vec<&str> = WORDS.iter().flat_map(|(_, _, words)| words.iter().copied()).collect();
        for word in &words {
            assert_eq!(folded(word), *word);
        }
        let twice: Vec<&&str> =
            words.iter().filter(|word| words.iter().filter(|other| other == word).count() > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }

    #[test]
    fn labels_of_other_columns_are_told() {
        let check = |name: &str, expected: bool| assert_eq!(Heading::of(name).is_label(), expected, "{name}");
        check("Phone 1 - Label", true);
        check("E-mail 2 - Type", true);
        check("Phone 1 - Value", false);
        check("Type", false);
        check("Customer type", false);
    }
}
