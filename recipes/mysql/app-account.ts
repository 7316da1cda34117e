// Database and user that applications get, apart from the configuration, so that an agent does not load its checker.
export const APP = { user: "app", database: "app" } as const;
