// The same in German. A reason without a sentence here does not compile.
import type { Reason } from '../errors.ts'
import type { Sentences, Texts } from './texts.ts'

const sentences: Readonly<Record<Reason, Sentences>> = {
  allowed: { title: 'Erlaubt', sentence: 'Die Anfrage ist erlaubt.' },
  public: { title: 'Öffentlich', sentence: 'Diese Seite ist öffentlich.' },
  anonymous: { title: 'Anonym', sentence: 'Niemand ist angemeldet, und niemand muss es sein.' },
  preflight: { title: 'Vorabfrage', sentence: 'Eine CORS-Vorabfrage geht ohne Identität an das Portal.' },
  'own-endpoint': { title: 'Eigene Adresse', sentence: 'Diese Adresse wird hier beantwortet.' },
  'rule-would-refuse': {
    title: 'Würde abgelehnt',
    sentence: 'Eine Regel würde dies ablehnen; das Portal warnt nur.',
  },
  'local-sign-in': { title: 'Eigene Anmeldung', sentence: 'Die Anmeldung des Portals selbst wurde gewählt.' },
  'break-glass': { title: 'Notzugang', sentence: 'Das Portal antwortet vorerst ohne diese Anmeldung.' },
  'sign-in-not-fresh': {
    title: 'Bitte melden Sie sich erneut an',
    sentence: 'Diese Seite verlangt eine Anmeldung, die weniger lange zurückliegt.',
  },
  'second-factor-needed': {
    title: 'Noch ein Schritt',
    sentence: 'Diese Seite verlangt eine zweite Bestätigung, wer Sie sind.',
  },
  'provider-not-enough': {
    title: 'Bitte melden Sie sich an',
    sentence: 'Diese Seite verlangt eine andere Art der Anmeldung.',
  },
  'assurance-too-low': { title: 'Kein Zugang', sentence: 'Ihre Anmeldung ist für diese Seite nicht stark genug.' },
  'other-person': {
    title: 'Jemand anderes',
    sentence: 'Sie haben sich als jemand anderes angemeldet als zuvor. Darum wurde der Schritt abgebrochen.',
  },
  'hint-mismatch': {
    title: 'Jemand anderes',
    sentence: 'Der Anmeldedienst hat eine andere Person genannt als die, nach der gefragt war.',
  },
  'kept-request-gone': {
    title: 'Bitte senden Sie es noch einmal',
    sentence: 'Ihre Eingaben ließen sich nicht aufheben. Bitte öffnen Sie die Seite und senden Sie sie noch einmal.',
  },
  'provider-misconfigured': {
    title: 'Etwas ist falsch eingerichtet',
    sentence:
      'Der Anmeldedienst nimmt dieses Gateway nicht an. Ein neuer Versuch hilft nicht: Bitte sagen Sie es denen, die es betreiben.',
  },
  'sign-in-needed': {
    title: 'Bitte melden Sie sich an',
    sentence: 'Um diese Seite zu öffnen, müssen Sie sich anmelden.',
  },
  'credential-rejected': {
    title: 'Nicht angenommen',
    sentence: 'Der Zugangsnachweis dieser Anfrage ist nicht gültig.',
  },
  'rule-refused': { title: 'Kein Zugang', sentence: 'Sie sind angemeldet, dürfen diese Seite aber nicht öffnen.' },
  'rule-failed': {
    title: 'Kein Zugang',
    sentence: 'Ob Sie diese Seite öffnen dürfen, ließ sich nicht entscheiden. Darum bleibt sie geschlossen.',
  },
  'route-blocked': { title: 'Nicht verfügbar', sentence: 'Diese Funktion ist hier abgeschaltet.' },
  'origin-refused': {
    title: 'Kein Zugang',
    sentence: 'Verbindungen von dieser Website werden nicht angenommen.',
  },
  'untrusted-peer': {
    title: 'Kein Zugang',
    sentence: 'Von Ihrer Adresse werden keine Identitätsangaben angenommen.',
  },
  'wrong-junction-password': {
    title: 'Kein Zugang',
    sentence: 'Das vorgeschaltete Gateway hat sich nicht ausgewiesen.',
  },
  'identity-missing': {
    title: 'Kein Zugang',
    sentence: 'Das vorgeschaltete Gateway hat nicht mitgeteilt, wer Sie sind.',
  },
  'account-missing': {
    title: 'Kein Zugang',
    sentence: 'Die Anmeldung war erfolgreich, nennt aber nicht das Konto, das dieses Portal braucht.',
  },
  'email-not-verified': {
    title: 'Kein Zugang',
    sentence: 'Ihre E-Mail-Adresse ist bei Ihrem Anmeldedienst nicht bestätigt.',
  },
  'tenant-refused': { title: 'Kein Zugang', sentence: 'Ihre Organisation ist hier nicht zugelassen.' },
  'session-too-large': {
    title: 'Kein Zugang',
    sentence: 'Die Anmeldung war erfolgreich, bringt aber mehr Daten mit, als sich aufbewahren lassen.',
  },
  'no-profile': {
    title: 'Kein Zugang',
    sentence: 'Die Anmeldung war erfolgreich, doch dieses Portal hat für Sie keinen Platz vorgesehen.',
  },
  'link-conflict': {
    title: 'Kein Zugang',
    sentence: 'Ihre E-Mail-Adresse gehört hier zum Konto von jemand anderem. Bitte sagen Sie es denen, die das Portal betreiben.',
  },
  'post-login-refused': {
    title: 'Kein Zugang',
    sentence: 'Die Anmeldung war erfolgreich, doch das Portal kennt Sie nicht.',
  },
  'post-login-failed': {
    title: 'Anmeldung nicht verfügbar',
    sentence:
      'Was dieses Portal über Sie wissen muss, ließ sich gerade nicht nachsehen. Bitte versuchen Sie es gleich noch einmal.',
  },
  'provisioning-failed': {
    title: 'Ihr Konto ist noch nicht bereit',
    sentence:
      'Die Anmeldung war erfolgreich, doch Ihr Konto im Portal ließ sich gerade nicht einrichten. Bitte versuchen Sie es gleich noch einmal.',
  },
  'too-many-sessions': {
    title: 'Schon woanders angemeldet',
    sentence:
      'Sie sind schon an so vielen Stellen angemeldet, wie erlaubt sind. Melden Sie sich an einer davon ab und versuchen Sie es noch einmal.',
  },
  'logout-token-refused': {
    title: 'Nicht angenommen',
    sentence: 'Das Abmelde-Token konnte nicht angenommen werden.',
  },
  'sign-out-incomplete': {
    title: 'Hier abgemeldet',
    sentence:
      'Sie sind in diesem Browser abgemeldet; ob das schon überall gilt, ist noch nicht sicher. Bitte versuchen Sie es gleich noch einmal, oder schließen Sie den Browser.',
  },
  'sign-in-expired': {
    title: 'Das hat zu lange gedauert',
    sentence: 'Die Anmeldung wurde nicht rechtzeitig abgeschlossen. Bitte beginnen Sie von vorn.',
  },
  'sign-in-unknown': {
    title: 'Bitte melden Sie sich erneut an',
    sentence: 'Diese Anmeldung wurde schon benutzt oder in einem anderen Browser begonnen. Bitte beginnen Sie von vorn.',
  },
  'sign-in-failed': {
    title: 'Anmeldung fehlgeschlagen',
    sentence: 'Die Antwort des Anmeldedienstes konnte nicht angenommen werden. Bitte versuchen Sie es erneut.',
  },
  'sign-in-denied': {
    title: 'Anmeldung abgelehnt',
    sentence: 'Der Anmeldedienst hat Sie nicht eingelassen, oder die Anmeldung wurde abgebrochen.',
  },
  'bad-request': { title: 'Ungültige Anfrage', sentence: 'Die Anfrage war nicht zu verstehen.' },
  'host-invalid': { title: 'Ungültige Anfrage', sentence: 'Die Anfrage muss genau einen Host nennen.' },
  'path-refused': {
    title: 'Ungültige Anfrage',
    sentence: 'Die Adresse enthält Zeichen oder Abschnitte, die hier nicht angenommen werden.',
  },
  'header-repeated': {
    title: 'Ungültige Anfrage',
    sentence: 'Ein Header, der nur einmal vorkommen darf, kam mehrmals.',
  },
  'several-credentials': { title: 'Ungültige Anfrage', sentence: 'Die Anfrage trägt mehr als eine Identität.' },
  'header-too-large': {
    title: 'Anfrage zu groß',
    sentence: 'Die Header oder Cookies der Anfrage sind zu groß. Es kann helfen, die Cookies dieser Website zu löschen.',
  },
  'body-too-large': { title: 'Anfrage zu groß', sentence: 'Die Anfrage ist größer, als diese Adresse annimmt.' },
  'request-timeout': { title: 'Anfrage zu langsam', sentence: 'Die Anfrage ist nicht rechtzeitig angekommen.' },
  'method-refused': { title: 'Nicht erlaubt', sentence: 'Diese Methode ist nicht erlaubt.' },
  'portal-unknown': { title: 'Nicht gefunden', sentence: 'Unter dieser Adresse gibt es kein Portal.' },
  'endpoint-unknown': { title: 'Nicht gefunden', sentence: 'Unter dieser Adresse gibt es nichts.' },
  'provider-unavailable': {
    title: 'Anmeldung nicht verfügbar',
    sentence: 'Der Anmeldedienst ist gerade nicht erreichbar. Bitte versuchen Sie es gleich noch einmal.',
  },
  'store-unavailable': {
    title: 'Nicht verfügbar',
    sentence: 'Ihre Sitzung lässt sich gerade nicht lesen. Bitte versuchen Sie es gleich noch einmal.',
  },
  'shutting-down': {
    title: 'Nicht verfügbar',
    sentence: 'Dieser Dienst wird neu gestartet. Bitte versuchen Sie es noch einmal.',
  },
  'portal-unreachable': {
    title: 'Das Portal ist nicht verfügbar',
    sentence: 'Das Portal ist gerade nicht erreichbar. Bitte versuchen Sie es gleich noch einmal.',
  },
  'portal-failed': {
    title: 'Das Portal ist nicht verfügbar',
    sentence: 'Das Portal hat eine Antwort gegeben, die sich nicht weitergeben lässt.',
  },
  'portal-timeout': {
    title: 'Das Portal ist zu langsam',
    sentence: 'Das Portal hat nicht rechtzeitig geantwortet. Bitte versuchen Sie es gleich noch einmal.',
  },
  'header-failed': {
    title: 'Etwas ist falsch eingerichtet',
    sentence: 'Ihre Identität ließ sich nicht an das Portal übergeben. Darum wurde die Anfrage angehalten.',
  },
  internal: { title: 'Etwas ist schiefgegangen', sentence: 'Die Anfrage wurde wegen eines Fehlers angehalten.' },
  'client-gone': { title: 'Verbindung beendet', sentence: 'Die Verbindung wurde vor der Antwort beendet.' },
  'portal-broke-off': {
    title: 'Das Portal hat abgebrochen',
    sentence: 'Das Portal hat mitten in seiner Antwort aufgehört.',
  },
}

const endedOf = (ends: number, count: number): string =>
  count === 1
    ? 'diese Sitzung'
    : ends === 1
      ? 'die älteste Sitzung'
      : ends === count
        ? 'alle diese Sitzungen'
        : `die ${ends} ältesten Sitzungen`
const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)

export const german: Texts = {
  lang: 'de',
  describe: (reason) => sentences[reason],
  signIn: 'Anmelden',
  signInFor: 'weiter zu',
  signInHow: 'Wählen Sie, wie Sie sich anmelden möchten.',
  noWay: 'Hier ist keine Anmeldung eingerichtet.',
  email: 'E-Mail-Adresse',
  emailNext: 'Weiter',
  emailUnknown: 'Kein Anmeldedienst ist bekannt für die Adresse',
  loginWith: 'Anmelden mit',
  signInAgain: 'Erneut anmelden',
  startAgain: 'Von vorn beginnen',
  otherAccount: 'Mit anderem Konto anmelden',
  otherWays: 'Andere Anmeldewege',
  tryAgain: 'Erneut versuchen',
  openSignIn: 'Anmelden',
  confirmTitle: 'Abmelden?',
  confirmSentence: 'Eine andere Website möchte Sie hier abmelden.',
  confirmStay: 'Um angemeldet zu bleiben, verlassen Sie einfach diese Seite.',
  signOut: 'Abmelden',
  signedOut: 'Sie sind abgemeldet',
  signedOutSentence: 'Schließen Sie an einem gemeinsam genutzten Computer auch alle Fenster dieses Browsers.',
  stillSignedIn: 'Weiterhin angemeldet sind Sie bei',
  stillSignedInAdvice: 'Eine erneute Anmeldung hier fragt womöglich nicht nach Ihrem Passwort.',
  resumeTitle: 'Sie sind wieder angemeldet',
  resumeSentence: 'Ihre Eingaben wurden aufgehoben und werden jetzt gesendet.',
  resumeSend: 'Jetzt senden',
  openPage: 'Seite öffnen',
  displaceTitle: 'Sie sind schon woanders angemeldet',
  displaceOne: 'Sie sind an einer anderen Stelle angemeldet. Mehr ist nicht zugleich erlaubt.',
  displaceSeveral: (count) => `Sie sind an ${count} anderen Stellen angemeldet. Mehr ist nicht zugleich erlaubt.`,
  since: 'Woanders angemeldet seit',
  displaceAsk: (ends, count) =>
    `Möchten Sie ${endedOf(ends, count)} beenden und hier weitermachen? Was dort nicht gespeichert ist, geht verloren.`,
  displaceGoOn: (ends, count) => capital(`${endedOf(ends, count)} beenden und hier weitermachen`),
  displaceCancel: 'Hier nicht anmelden',
  displacedTitle: 'Sie sind jetzt hier angemeldet',
  displacedSentence: 'An der anderen Stelle sind Sie abgemeldet.',
  account: 'Angemeldet als',
  provider: 'Anmeldedienst',
  requestId: 'Anfrage-ID',
  help: 'Brauchen Sie Hilfe?',
}
