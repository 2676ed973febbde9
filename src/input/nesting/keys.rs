//! The meaning of JSON keys: containers of rows, parts of a contact, and descriptions of a response.
//!
//! Names are folded: lowercase letters and digits only.

use super::super::page_keys::Hint;
use crate::core::text::folded_key;

/// Keys of arrays of people.
const PEOPLE: &str = "\
    contacts contact contactlist people persons users customers clients leads subscribers members profiles \
    recipients prospects contactos personas usuarios clientes suscriptores miembros contatos pessoas assinantes \
    membros";

/// Keys of arrays of any kind, in responses and exports.
const CONTAINERS: &str = "\
    data datos dados results result resultados items itens elements elementos records registros rows filas \
    linhas list lista entries objects values value hits nodes edges docs documents content body payload response \
    resources collection export";

/// Those of them that rarely name a part of a contact.
const PLAIN_CONTAINERS: &str = "\
    data datos dados results resultados records registros rows filas linhas";

/// Keys of arrays that are parts of one contact.
const PARTS: &str = "\
    address addresses phones phonenumbers emails emailaddresses names urls websites organizations companies dates \
    birthdays relations photos images tags labels lists groups memberships segments notes orders purchases deals \
    tickets events activities customfields fields fieldvalues attributes properties channels identities \
    identifiers accounts sources consents subscriptions telefonos correos direcciones etiquetas grupos notas \
    identityprofiles pedidos campos empresas telefones enderecos";

/// Keys of single parts. A list under such a key is a part of a contact, but the key may also be the name of a column.
const SINGLE_PARTS: &str = "\
    phone phonenumber mobile cellphone telephone whatsapp telefono telefone celular movil email mail correo";

/// Keys of lists and objects that describe a response.
const ASIDE: &str = "\
    links meta metadata error errors warnings messages included facets filters query request schema columns \
    headers sort pagination paging pageinfo";

/// Keys of values that describe a response.
const DESCRIBING: &str = "\
    success ok status statuscode state code message messages msg error errors errorcode errormessage warnings \
    exito estado mensaje sucesso mensagem total totals totalcount totalresults totalrecords totalpages \
    totalitems totalpeople totalsize count size length page pages pagenumber pagesize pagecount perpage currentpage lastpage \
    firstpage nextpage prevpage previouspage pagina paginas siguiente anterior from to limit offset vidoffset \
    skip top next nexturl nextlink odatanextlink odatacount nextcursor nextpagetoken prev previous prevurl \
    cursor before after hasmore hasnext more done start end first last timestamp time date fecha generated \
    generatedat exported exportedat exportdate version apiversion requestid type object kind etag url self links \
    meta metadata pagination paging pageinfo took timedout resultsizeestimate lastupdated filters query sort \
    order sync synctoken nextsynctoken";

/// The key of the fields of a contact in the platform's own format.
pub(super) const OWN_SHAPE: &str = "customfields";

/// The meaning of the key of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// It holds rows, and is rarely a part of a contact.
    PlainContainer,
    /// It holds rows.
    Container,
    /// It is a part of a contact.
    Part,
    /// It is a part of a contact, under the name of a single one.
    SinglePart,
    Other,
}

impl KeyKind {
    pub(super) fn of(name: &str) -> Self {
        if is_one_of(PEOPLE, name) || is_one_of(PLAIN_CONTAINERS, name) {
            Self::PlainContainer
        } else if is_one_of(CONTAINERS, name) {
            Self::Container
        } else if is_one_of(PARTS, name) {
            Self::Part
        } else if is_one_of(SINGLE_PARTS, name) {
            Self::SinglePart
        } else {
            Self::Other
        }
    }

    pub(super) const fn is_container(self) -> bool {
        matches!(self, Self::PlainContainer | Self::Container)
    }

    pub(super) const fn is_part(self) -> bool {
        matches!(self, Self::Part | Self::SinglePart)
    }
}

fn is_one_of(words: &str, name: &str) -> bool {
    words.split(' ').any(|word| word == name)
}

pub(super) fn is_container(name: &str) -> bool {
    is_one_of(PEOPLE, name) || is_one_of(CONTAINERS, name)
}

pub(super) fn is_part(name: &str) -> bool {
    KeyKind::of(name).is_part()
}

pub(super) fn is_aside(name: &str) -> bool {
    name.is_empty() || is_one_of(ASIDE, name)
}

pub(super) fn is_describing(name: &str) -> bool {
    name.is_empty() || is_one_of(DESCRIBING, name) || Hint::of(name, "").is_some()
}

// Whether it is a key of a response, and not of its content.
pub(super) fn is_beside(name: &str) -> bool {
    is_aside(name) || is_describing(name)
}

// Lowercase letters and digits only. Keys such as `@odata.context` describe a response, and have an empty name here.
pub(super) fn folded(key: &str) -> String {
    if key.starts_with(['@', '$', '#']) {
        return String::new();
    }
    folded_key(key)
}
