/** What a test of one setting does: changes it in a running daemon, and sees that it has taken effect. */
export type SettingCase = () => Promise<void>;

/** By setting key. */
export type SettingCases = Readonly<Record<string, SettingCase>>;
