//! The programs whose exports are known by their headers.

/// A program that exports contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Export {
    /// Google Contacts, current format.
    Google,
    /// Google Contacts until 2024, with other names of columns, such as `Group Membership` for the labels.
    GoogleOld,
    /// Outlook.
    Eta,
    /// `HubSpot`.
    HubSpot,
    /// Salesforce.
    Salesforce,
    /// The sample file of the platform's own import.
    Platform,
}

impl Export {
    /// The program with this header.
    pub fn of(columns: &[&str]) -> Option<Self> {
        let has = |name: &str| columns.iter().any(|column| column.trim().eq_ignore_ascii_case(name));
        let google = has("E-mail 1 - Value") || has("Phone 1 - Value");
        if google && (has("Given Name") || has("Group Membership")) {
            Some(Self::GoogleOld)
        } else if google {
            Some(Self::Google)
        } else if columns.iter().any(|column| own_field(column).is_some()) || (has("Assignee") && has("Phone Number")) {
            Some(Self::Platform)
        } else if has("E-mail Address") && has("First Name") {
            Some(Self::Eta)
        } else if has("Record ID") && has("Email") {
            Some(Self::HubSpot)
        } else if has("FirstName") && has("LastName") {
            Some(Self::Salesforce)
        } else {
            None
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Google => "Google Contacts",
            Self::GoogleOld => "Google Contacts (the format until 2024)",
            Self::Eta => "Outlook",
            Self::HubSpot => "HubSpot",
            Self::Salesforce => "Salesforce",
            Self::Platform => "the platform's own import sample",
        }
    }

    /// The separator of several values in one cell.
    pub const fn several(self) -> Option<&'static str> {
        match self {
            Self::Google | Self::GoogleOld => Some(":::"),
            Self::Eta | Self::HubSpot | Self::Salesforce | Self::Platform => None,
        }
    }

    /// Groups of the program itself, which are no tags of a contact.
    pub const fn own_groups(self) -> &'static [&'static str] {
        match self {
            Self::Google | Self::GoogleOld => &["* myContacts", "* My Contacts", "* starred"],
            Self::Eta | Self::HubSpot | Self::Salesforce | Self::Platform => &[],
        }
    }

    /// Why a column is left out, if it is.
    pub fn leaves_out(self, column: &str) -> Option<&'static str> {
        let is = |name: &str| column.trim().eq_ignore_ascii_case(name);
        match self {
            Self::Google | Self::GoogleOld if is("Photo") => Some("the address of a picture"),
            Self::Platform if is("Assignee") => Some("an employee who is responsible for the contact"),
            Self::Google | Self::GoogleOld | Self::Eta | Self::HubSpot | Self::Salesforce | Self::Platform => None,
        }
    }
}

/// The field in the name of a column `custom_field.NAME`, as the platform's sample has it.
pub fn own_field(column: &str) -> Option<&str> {
    column.trim().strip_prefix("custom_field.").map(str::trim).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_known_by_their_headers() {
        let check = |header: &str, expected: Option<Export>| {
            assert_eq!(Export::of(&header.split(',').collect::<Vec<_>>()), expected, "{header}");
        };
        check("First Name,Last Name,Labels,E-mail 1 - Value,Phone 1 - Value", Some(Export::Google));
        check("Name,Given Name,Group Membership,E-mail 1 - Value", Some(Export::GoogleOld));
        check("First Name,Last Name,E-mail Address,Mobile Phone,Categories", Some(Export::Eta));
        check("Record ID,First Name,Last Name,Email,Phone Number,Lifecycle Stage", Some(Export::HubSpot));
        check("Id,FirstName,LastName,Email,MobilePhone", Some(Export::Salesforce));
        check("First Name,Last Name,Phone Number,Email,Tags,Assignee", Some(Export::Platform));
        check("First Name,Phone Number,custom_field.Plan", Some(Export::Platform));
        check("Nombre,Apellidos,Correo", None);
        check("First Name,Email", None);
    }
}
