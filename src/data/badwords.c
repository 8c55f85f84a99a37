/* data/badwords.c: the words that the built-in filter looks for: common English profanity, sexual terms and slurs.
 *
 * Written for this project and kept short on purpose: words with a common innocent sense (cock, tit, prick) are left
 * out, so that Shakespeare and bird books pass. Lower case; plurals in -s and -es are found by themselves. */
#include "data/filter.h"

const char *const fig__bad_words[] = {
    "arse",         "arsehole",     "ass",        "asshole",    "bitch",        "bitchy",        "blowjob",
    "bollocks",     "boner",        "boob",       "boobies",    "bukkake",      "bullshit",      "butthole",
    "clit",         "clitoris",     "cocksucker", "coon",       "cum",          "cumming",       "cumshot",
    "cunt",         "darkie",       "deepthroat", "dick",       "dickhead",     "dildo",         "dipshit",
    "dominatrix",   "douchebag",    "dumbass",    "ejaculate",  "ejaculation",  "fag",           "faggot",
    "fellatio",     "fuck",         "fucked",     "fucker",     "fuckin",       "fucking",       "gangbang",
    "goddamn",      "gook",         "gypped",     "handjob",    "hardcore sex", "hentai",        "horny",
    "jackass",      "jerk off",     "jerkoff",    "jizz",       "kike",         "kinky",         "masturbate",
    "masturbating", "masturbation", "milf",       "molest",     "motherfucker", "motherfucking", "negro",
    "nigga",        "nigger",       "nipple",     "nympho",     "orgasm",       "orgy",          "paedophile",
    "paki",         "pedophile",    "penis",      "piss",       "pissed",       "pissing",       "porn",
    "porno",        "pornography",  "pussies",    "pussy",      "raghead",      "rape",          "raped",
    "rapist",       "retard",       "retarded",   "rimjob",     "schlong",      "semen",         "sexy",
    "shemale",      "shit",         "shitting",   "shitty",     "skank",        "slut",          "slutty",
    "sodomy",       "spastic",      "spic",       "strip club", "testicle",     "threesome",     "titties",
    "titty",        "towelhead",    "tranny",     "twat",       "vagina",       "vibrator",      "vulva",
    "wank",         "wanker",       "wetback",    "whore",      "wop",          "xxx",
};
const size_t fig__n_bad_words = FIG_COUNT(fig__bad_words);
