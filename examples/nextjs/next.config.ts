import type { NextConfig } from 'next';

const config: NextConfig = {
  // Otherwise Next.js takes the repository around this example for the application.
  turbopack: { root: import.meta.dirname },
  // The driver of the database is a native module.
  serverExternalPackages: ['@libsql/client'],
};

export default config;
