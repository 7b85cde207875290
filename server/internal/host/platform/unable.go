package platform

import "strings"

// Unable is why this machine cannot do something that people may want of it, in words that the catalogue has in all languages. It is
// an error, and never changed once it is made.
type Unable struct {
	// Words is the name of the answer, Values what stands in the places of its text.
	Words  string
	Values map[string]string
	// Quote is what the system said itself; empty where it did not.
	Quote string

	text string
}

// Cannot is why this machine cannot do something: an answer with its values, each behind its name, and what the system said, nil
// where it did not.
func Cannot(a Answer, said error, values ...string) *Unable {
	f := no(a, values...)
	if said != nil {
		f = f.quoted(said)
	}
	c := f.as("", "")
	return &Unable{Words: c.Words, Values: c.Values, Quote: c.Quote, text: c.Detail}
}

// Error is the English text, with what the system said.
func (u *Unable) Error() string { return strings.TrimSuffix(u.text+": "+u.Quote, ": ") }
